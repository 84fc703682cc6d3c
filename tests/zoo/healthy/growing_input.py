"""A program that works on one job whose state grows as it must: a sieve, a frontier, a table of results, all dropped at its end."""
import time


def search(limit):
    seen, frontier = {0: None}, [0]
    while frontier:
        node = frontier.pop(0)
        for following in (node * 2 + 1, node + 7, node + 3):
            if following < limit and following not in seen:
                seen[following] = node
                frontier.append(following)
        if len(seen) % 10 == 0:
            time.sleep(0.001)
    return len(seen)


for job in range(8):
    assert search(1500 + 100 * job) > 100
