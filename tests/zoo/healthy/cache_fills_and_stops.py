"""A cache of all 300 products: it fills during the first part of the run and stays."""
import random
import time

random.seed(1)
products = {}


def product(key):
    if key not in products:
        products[key] = {"key": key, "text": "product %d" % key, "tags": [str(i) for i in range(5)]}
    return products[key]


for number in range(3000):
    product(int(random.random() * 300))
    time.sleep(0.0007)
