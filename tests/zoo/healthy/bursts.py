"""Batches of different sizes, each given back."""
import random
import time

random.seed(5)
for batch in range(60):
    rows = [{"i": i, "text": "row %d" % i} for i in range(int(random.random() ** 4 * 6000))]
    time.sleep(0.03)
    del rows
