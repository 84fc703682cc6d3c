"""A cache of all two thousand customers, who come in turn: it is full after four fifths of the run.

It grows steadily for most of the run, as a leak does; that nothing comes in the last fifth tells them apart.
"""
import time

customers = {}
for number in range(2500):
    key = number % 2000
    if key not in customers:
        customers[key] = {"name": "customer %d" % key, "orders": [number, number + 1]}
    [str(i) for i in range(20)]
    time.sleep(0.001)
