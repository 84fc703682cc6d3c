"""Finalizers of the old kind in cycles: what the collector finds, it may not free. It goes to gc.garbage."""
import gc
import _legacy

gc.collect()
for i in range(50):
    a = _legacy.Legacy()  # a
    b = _legacy.Legacy()  # b
    a.hold(b)
    b.hold(a)
    del a, b
print(gc.collect(), len(gc.garbage))
