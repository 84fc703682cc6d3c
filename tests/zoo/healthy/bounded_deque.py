"""The last thousand events are kept."""
import collections
import time

events = collections.deque(maxlen=1000)
for number in range(3000):
    events.append({"number": number, "text": "event %d" % number})
    time.sleep(0.0007)
