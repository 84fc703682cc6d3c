"""An extension keeps who subscribed in a table of its own, which nobody leaves (as signal handlers of bindings): all of it is held.

verdict: growth
c: _subscribers.c
"""
import time

import _subscribers


class Session:
    def __init__(self, number):
        self.number = number
        self.cart = ["item"] * 5


def serve(number):
    _subscribers.subscribe(Session(number))  # leak


for number in range(1500):
    serve(number)
    time.sleep(0.001)
