"""Keys come and go in one dict, about a thousand at a time: now and then it is resized, the last time near the end."""
import random
import time

random.seed(9)
table, keys = {}, []
for number in range(3500):
    key = "key-%d" % number
    table[key] = float(number)
    keys.append(key)
    while len(keys) > 700 + number // 5 % 500:
        at = random.randrange(len(keys))
        keys[at], keys[-1] = keys[-1], keys[at]
        del table[keys.pop()]
    time.sleep(0.0006)
