# SPDX-License-Identifier: Apache-2.0
"""Many orders; two sessions whose counts change between snapshots; one dies. Prints the address of the one that stays."""
import libpytrace


class Session:
    pass


class Order:
    pass


orders = [Order() for i in range(100)]
stays = Session()  # stays
goes = Session()  # goes
print(hex(id(stays)))
libpytrace.snapshot()
more = [stays, stays]
libpytrace.snapshot()
more.clear()
del goes  # gone
libpytrace.snapshot()
