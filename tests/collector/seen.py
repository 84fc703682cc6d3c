# SPDX-License-Identifier: Apache-2.0
"""Collections of all kinds. Prints what the program's own gc.callbacks saw: phase, generation, collected, uncollectable, time."""
import gc
import json
import time

seen, kept = [], []


def saw(phase, info):
    seen.append((phase, info["generation"], info["collected"], info["uncollectable"], time.monotonic()))


class Node:
    pass


def nodes(n):
    for _ in range(n):
        a, b = Node(), Node()
        a.next, b.next = b, a


gc.collect()
gc.callbacks.append(saw)
returned = [gc.collect()]  # first explicit
nodes(4000)
kept.append([[] for _ in range(9000)])
gc.set_threshold(300, 5, 5)  # new thresholds
nodes(4000)
gc.set_threshold(300, 5, 5)
gc.disable()  # off
nodes(400)
gc.disable()
gc.enable()  # on
returned.append(gc.collect(0))  # explicit 0
nodes(100)
returned.append(gc.collect(1))  # explicit 1
nodes(30)
returned.append(gc.collect(generation=2))  # explicit 2
gc.freeze()  # frozen
frozen = gc.get_freeze_count()
gc.unfreeze()  # thawed
gc.set_debug(0)
gc.callbacks.remove(saw)
print(json.dumps({"seen": seen, "returned": returned, "frozen": frozen, "thresholds": gc.get_threshold(),
                  "stats": gc.get_stats()}))
