"""weakref.finalize with a bound method holds the object it should wait for (documented pitfall).

verdict: growth
"""
import time
import weakref


class Connection:
    def __init__(self, number):
        self.buffer = bytearray(500)  # leak
        weakref.finalize(self, self.close)

    def close(self):
        self.buffer = None


for number in range(1500):
    Connection(number)
    time.sleep(0.001)
