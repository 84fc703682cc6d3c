"""The forgotten global: a module's list that every request appends to."""
import time

seen = []


def handle(number):
    seen.append('request %d' % number + '.' * 1500)  # line of the leak
    return len(seen)


for i in range(2000):
    handle(i)
    if i % 50 == 0:
        time.sleep(0.005)
