# SPDX-License-Identifier: Apache-2.0
"""C code collects, and switches the collector off and on."""
import ctypes
import gc

c = ctypes.pythonapi


class Node:
    pass


def nodes(n):
    for _ in range(n):
        a = Node()
        a.self = a


gc.collect()
nodes(50)
print(c.PyGC_Collect())  # by C
if hasattr(c, "PyGC_Disable"):
    c.PyGC_Disable()
    gc.collect(0)  # notices off
    c.PyGC_Enable()
    gc.collect(0)  # notices on
