"""Dataclasses, enums and abstract classes made at run time, of a fixed set of shapes, and dropped."""
import abc
import dataclasses
import enum
import time

for number in range(110):
    fields = [("field_%d" % i, int) for i in range(number % 5 + 1)]
    Row = dataclasses.make_dataclass("Row%d" % (number % 5), fields)
    assert dataclasses.asdict(Row(*range(len(fields))))
    Colour = enum.Enum("Colour", ["RED", "GREEN", "BLUE"])
    assert Colour["RED"].value == 1
    Base = abc.ABCMeta("Base", (), {})
    Base.register(Row)
    assert isinstance(Row(*range(len(fields))), Base)
    time.sleep(0.018)
