"""Many objects are made, one of a hundred is kept: their arenas cannot go back.

verdict: fragmentation
bytes: at least 24000000
"""
import time


class Event:
    __slots__ = "number", "text"

    def __init__(self, number):
        self.number = number
        self.text = "event %d of the journal, as it was read" % number  # leak


events = [Event(i) for i in range(250000)]  # leak
kept = events[::100]
del events
for second in range(20):
    time.sleep(0.1)
