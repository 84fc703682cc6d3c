"""A simulation of a shop by events: customers wait in queues whose lengths go up and down; statistics of the run."""
import collections
import heapq
import random

rnd = random.Random(23)


class Customer:
    def __init__(self, number, now):
        self.number, self.arrived = number, now
        self.basket = ["item %d" % rnd.randrange(500) for _ in range(rnd.randrange(1, 8))]


def main():
    events, queue, busy, served, waits = [(0.0, 0, "arrive")], collections.deque(), 0, 0, collections.Counter()
    number = 0
    while served < 25000:
        now, _, kind = heapq.heappop(events)
        if kind == "arrive":
            number += 1
            queue.append(Customer(number, now))
            heapq.heappush(events, (now + rnd.expovariate(1.0), number, "arrive"))
        else:
            busy -= 1
        while queue and busy < 4:
            customer = queue.popleft()
            waits[int(now - customer.arrived)] += 1
            busy += 1
            served += 1
            heapq.heappush(events, (now + rnd.expovariate(0.26), number, "leave"))
    print(served, max(waits) > 0)


main()
