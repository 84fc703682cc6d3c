"""An object keeps its own bound methods in a table; the threshold is so high that nothing is ever collected (Instagram's advice, misread).

verdict: cycle-garbage
type: __main__.Connection
"""
import gc
import time

gc.set_threshold(100000000, 10, 10)


class Connection:
    def __init__(self, number):
        self.number = number
        self.buffer = bytearray(200)
        self.commands = {"get": self.get, "put": self.put}  # leak

    def get(self):
        return self.number

    def put(self):
        self.number += 1


def serve(number):
    Connection(number).commands["put"]()  # leak


for number in range(1500):
    serve(number)
    time.sleep(0.001)
