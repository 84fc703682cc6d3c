"""Ring buffers that are full late in the run: a list overwritten in place, and a deque with a bound for each sensor."""
import collections
import random
import time

rnd = random.Random(5)


class Ring:
    def __init__(self, size):
        self.size = size
        self.items = []
        self.next = 0

    def push(self, item):
        if len(self.items) < self.size:
            self.items.append(item)
        else:
            self.items[self.next] = item
        self.next = (self.next + 1) % self.size


def main():
    ring = Ring(30000)
    recent = collections.defaultdict(lambda: collections.deque(maxlen=1500))
    for n in range(45000):
        ring.push(("event", n, "payload %d" % n))
        recent[n % 20].append([n, rnd.random()])
        "-".join(str(rnd.random()) for _ in range(3))
        if n % 1000 == 0:
            time.sleep(0.01)
    print(len(ring.items), sum(map(len, recent.values())))


main()
