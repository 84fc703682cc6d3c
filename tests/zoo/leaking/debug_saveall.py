"""gc.set_debug(gc.DEBUG_SAVEALL) was left in: all that is collected goes to gc.garbage instead (as many a "leak" in forums).

verdict: cycle-uncollectable
"""
import gc
import time

gc.set_debug(gc.DEBUG_SAVEALL)


class Page:
    def __init__(self, number):
        self.number = number
        self.me = self


def render(number):
    Page(number)  # leak


for number in range(2500):
    for i in range(4):
        render(number)
    time.sleep(0.0008)
