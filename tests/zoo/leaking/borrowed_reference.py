"""A reference that PyDict_GetItem() only lends is taken twice: what was looked up never dies (as CPython bpo-37467 and many).

verdict: reference-leak
type: __main__.Session
c: _registry.c
"""
import time

import _registry

sessions = {}


class Session:
    def __init__(self, number):
        self.number = number
        self.cart = ["item"] * 5


def serve(number):
    sessions[number] = Session(number)  # leak
    _registry.find(sessions, number)
    del sessions[number]


for number in range(1500):
    serve(number)
    time.sleep(0.001)
