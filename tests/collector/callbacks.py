# SPDX-License-Identifier: Apache-2.0
"""Callbacks of the program's own that raise, remove themselves, add others, keep what they are told."""
import gc
import sys

kept = []


def once(phase, info):
    print("once", phase, sorted(info))
    gc.callbacks.remove(once)


def keeps(phase, info):
    kept.append(info)
    print("keeps", phase, type(info).__name__, info["generation"], len(gc.callbacks))


def raises(phase, info):
    raise ValueError("told of " + phase)


def adds(phase, info):
    if phase == "start" and len(gc.callbacks) < 6:
        gc.callbacks.append(lambda p, i: print("added", p, i["collected"]))


def hook(unraisable):
    print("unraisable", repr(unraisable.exc_value), unraisable.object is raises or "raises" in str(unraisable.err_msg))


gc.disable()
gc.collect()
sys.unraisablehook = hook
gc.callbacks.extend([once, keeps, raises, adds])
a = []
a.append(a)
del a
print(gc.collect())
print(gc.collect(0))
print([(i["generation"], i["collected"], i["uncollectable"]) for i in kept], len(gc.callbacks))
gc.callbacks.clear()
print(gc.collect())
gc.callbacks = None
print(gc.collect())
