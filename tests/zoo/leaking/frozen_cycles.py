"""gc.freeze() is called again and again, as if it were only for the start: garbage becomes permanent.

verdict: cycle-garbage
"""
import gc
import time


class Session:
    def __init__(self, number):
        self.me = self
        self.data = [number] * 30


for number in range(1500):
    Session(number)  # leak
    if number % 100 == 99:
        gc.freeze()
    time.sleep(0.001)
