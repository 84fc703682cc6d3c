"""Many objects are made, one of a hundred is kept: their arenas cannot go back.

verdict: fragmentation
"""
import time


class Event:
    __slots__ = "number", "text"

    def __init__(self, number):
        self.number = number
        self.text = "event %d of the journal, as it was read" % number  # leak


kept = []
for batch in range(10):
    events = [Event(i) for i in range(30000)]  # leak
    kept.extend(events[::100])
    del events
    time.sleep(0.1)
time.sleep(1)
