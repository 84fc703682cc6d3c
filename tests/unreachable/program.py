# SPDX-License-Identifier: Apache-2.0
"""Blocks of native memory that are lost, and such that somebody has: program.py HOW N."""
import ctypes
import gc
import os
import sys
import threading

import _native

how, n = sys.argv[1], int(sys.argv[2])
LOST = 'lost_each_call', 'lost_lists', 'lost_rings', 'lost_structs', 'lost_raw', 'lost_large', 'lost_with_freed'
HELD = 'held_by_data', 'held_inside', 'held_tagged_low', 'held_by_thread_local', 'held_by_large_block', 'held_by_mapping', 'start_thread'


def lost():
    for name in LOST:
        _native.call(name, n)


def lost_text():
    libc = ctypes.CDLL(None)
    libc.strdup.restype = ctypes.c_void_p
    for i in range(n):
        libc.strdup(b'a name of some length' * 10)  # lost


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


if how == 'lost':
    lost()
    in_thread(lambda: _native.call('lost_each_call', n))
    lost_text()
elif how == 'grown':
    _native.call('lost_or_grown', n)
elif how == 'held':
    for name in HELD:
        _native.call(name, n)
    kept = [_native.held_by_capsule() for i in range(n)], [_native.held_by_int() for i in range(n)]
elif how == 'hidden':
    import libpytrace
    _native.call('held_hidden', n)
    libpytrace.snapshot('hidden')
    _native.call('free_hidden', n)
elif how == 'cycles':
    gc.disable()
    for i in range(n):
        ring = [_native.held_by_capsule()]
        ring.append(ring)
    del ring
elif how == 'damaged':  # a block that was written beyond its end
    import libpytrace
    _native.call('lost_each_call', n)
    _native.call('damage', n)
    libpytrace.snapshot('damaged')
    os._exit(0)
elif how == 'fork':
    pid = os.fork()
    if not pid:
        _native.call('lost_each_call', n)
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
