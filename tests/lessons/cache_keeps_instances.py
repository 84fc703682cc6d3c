"""A cache on a method keeps each instance that it was called on: self is a part of the key."""
import functools


class Service:
    def __init__(self, number):
        self.number = number
        self.buffer = bytes(1500)  # line of the leak

    @functools.lru_cache(maxsize=None)
    def lookup(self, key):
        return key


for i in range(2000):
    Service(i).lookup(7)  # the call
