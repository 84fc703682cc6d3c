"""Keys come by popularity: the cache fills fast first, ever more slowly then, and has an end."""
import random
import time

random.seed(7)
pages = {}
for number in range(3000):
    key = int(random.paretovariate(1.2)) % 400
    if key not in pages:
        pages[key] = "page %d " % key * 20
    time.sleep(0.0007)
