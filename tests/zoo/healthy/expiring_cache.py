"""Entries expire after a while, and are swept now and then."""
import time

entries, now = {}, 0
for number in range(3000):
    now += 1
    entries["key-%d" % number] = (now + 200, ["value"] * 10)
    if number % 50 == 0:
        for key in [k for k, (until, v) in entries.items() if until < now]:
            del entries[key]
    time.sleep(0.0007)
