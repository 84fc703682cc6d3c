"""A clean-up function is registered for each request: atexit keeps them, and what they close over.

verdict: growth
"""
import atexit
import time


class Upload:
    def __init__(self, number):
        self.parts = ["part-%d-%d" % (number, i) for i in range(20)]  # leak
        atexit.register(self.close)

    def close(self):
        self.parts = None


for number in range(1500):
    Upload(number)
    time.sleep(0.001)
