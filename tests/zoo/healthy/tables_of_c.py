"""An extension keeps the last requests in a ring, and names in a table that fills and stops; the collector is told of neither.

c: _recent.c
"""
import time

import _recent


class Request:
    def __init__(self, number):
        self.number = number
        self.headers = {"host": "example", "length": number}


for number in range(2200):
    _recent.note(Request(number))
    _recent.name(number % 650, ("name", number, b"of %d" % number))
    time.sleep(0.0008)
