"""A priority queue that only marks removed entries, and is cleaned up when half of it is dead."""
import heapq
import random
import time

random.seed(10)
heap, entries = [], {}
for number in range(3500):
    entry = [random.random(), number, "task %d" % number]
    entries[number] = entry
    heapq.heappush(heap, entry)
    if number >= 300:
        entries.pop(number - 300)[2] = None
    if len(heap) > 2 * len(entries) + 100:
        heap = [e for e in heap if e[2] is not None]
        heapq.heapify(heap)
    time.sleep(0.0006)
