"""Half of what was read is thrown away; the other half lies in the same arenas, and its holes are filled later on. Memory that is
half used is used."""
import time

readings = [("sensor %d" % (i % 100), i / 7, "unit of the reading %d" % i) for i in range(120000)]
readings = readings[::2]
for hour in range(20):
    part = [("sensor %d" % (i % 100), i / 9, "a later reading %d" % i) for i in range(5000)]
    highest = max(reading[1] for reading in part)
    time.sleep(0.1)
