"""The collector is off, and an exception is stored on the object whose method raised it: traceback, frame, self.

verdict: cycle-garbage
"""
import gc
import time

gc.disable()


class Job:
    def run(self, number):
        try:
            raise ValueError(number)  # leak
        except ValueError as e:
            self.error = e


for number in range(1500):
    Job().run(number)  # leak
    time.sleep(0.001)
