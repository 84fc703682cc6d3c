# SPDX-License-Identifier: Apache-2.0
"""The child of a fork collects, too, with what was in force in its parent."""
import gc
import os

gc.set_threshold(4321, 11, 12)
gc.disable()
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
    print(pid)
else:
    a = []
    a.append(a)
    del a
    gc.collect()  # in the child
    os._exit(0)
