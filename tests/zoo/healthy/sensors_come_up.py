"""The last sixty values of each of forty sensors, which come up one after the other: all are full at three quarters of the run."""
import collections
import time

sensors = {}
for number in range(6000):
    sensor = number % (min(number // 50, 39) + 1)
    values = sensors.setdefault(sensor, collections.deque(maxlen=60))
    values.append((number, number * 0.5))
    if number % 2 == 0:
        time.sleep(0.0008)
