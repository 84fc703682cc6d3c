"""Cyclic garbage beside a large heap, with the collector as it is set by default: full collections are rare, garbage piles up."""
import time


class Request:
    def __init__(self, number):
        self.number = number
        self.handler = self.handle
        self.body = "body of %d " % number * 20

    def handle(self):
        return self.number


heap = [{"row": i, "values": [i]} for i in range(25000)]
for number in range(2500):
    Request(number).handler()
    time.sleep(0.0009)
