# SPDX-License-Identifier: Apache-2.0
"""Objects that survive grow old: collections of each generation as the thresholds say, and a change of them."""
import gc
import json

gc.collect()
gc.collect()
before = [s["collections"] for s in gc.get_stats()]
old = gc.get_threshold()
kept = [[] for _ in range(20000)]
middle = [s["collections"] for s in gc.get_stats()]
gc.set_threshold(900, 15, 15)  # the change
kept += [[] for _ in range(20000)]
after = [s["collections"] for s in gc.get_stats()]
print(json.dumps([old, before, middle, after]))
