"""Containers hold: the object is put into a tuple, a dict, a closure, an attribute and a list, each released in turn."""
import libpytrace


class Holder:
    pass


def remember(value):
    def recall():
        return value
    return recall


holder, table = Holder(), {}
thing = [1, 2, 3]  # made
pair = (thing, 1)  # into a tuple
table['thing'] = thing  # into a dict
recall = remember(thing)  # into a closure
holder.thing = thing  # into an attribute
items = [thing, thing]  # into a list, twice
libpytrace.snapshot()
del pair  # out of the tuple
del table['thing']  # out of the dict
del recall  # out of the closure
del holder.thing  # out of the attribute
items.clear()  # out of the list
del thing  # the last one
