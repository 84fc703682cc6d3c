"""A large table is loaded, served from, and loaded anew twice: for a moment there are two of them."""
import time


def load(version):
    return {"key-%d" % i: (version, i, "value %d" % i) for i in range(12000)}


table = load(0)
for number in range(2400):
    if number in (1000, 2000):
        table = load(number)
    row = table["key-%d" % (number * 7 % 12000)]
    "answer %d of %d: %s" % (row[1], row[0], row[2])
    time.sleep(0.0008)
