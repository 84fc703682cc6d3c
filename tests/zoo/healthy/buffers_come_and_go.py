"""Large buffers come and go in turns, with small results kept between them, a bounded number: what is free is used again by the
next buffers, or goes back with its mapping."""
import collections
import hashlib
import time

results = collections.deque(maxlen=200)
for turn in range(300):
    buffers = [bytearray(20000 + 1000 * (i % 60)) for i in range(300)]
    for buffer in buffers[::10]:
        results.append(hashlib.sha256(buffer).hexdigest())
    buffers.append(bytearray(3000000))
    time.sleep(0.002)
del buffers
