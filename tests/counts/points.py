"""Two sessions whose counts change between snapshots; one dies. Prints the address of the one that stays."""
import libpytrace


class Session:
    pass


stays = Session()  # stays
goes = Session()  # goes
print(hex(id(stays)))
libpytrace.snapshot()
more = [stays, stays]
libpytrace.snapshot()
more.clear()
del goes  # gone
libpytrace.snapshot()
