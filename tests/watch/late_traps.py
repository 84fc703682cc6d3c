# SPDX-License-Identifier: Apache-2.0
"""Changes a count while SIGTRAP is blocked by a system call of its own, which no hook sees: 5 references more, told at once later.

Prints JSON: the count before and after, as sys.getrefcount has it."""
import ctypes
import json
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
RT_SIGPROCMASK = {'x86_64': 14, 'aarch64': 135}


class Box:
    pass


def mask(how):
    word = ctypes.c_uint64(1 << (signal.SIGTRAP - 1))
    assert libc.syscall(RT_SIGPROCMASK[os.uname().machine], int(how), ctypes.byref(word), None, 8) == 0


box = Box()
before = sys.getrefcount(box)
mask(signal.SIG_BLOCK)
kept = [box, box]
kept.extend([box] * 3)
mask(signal.SIG_UNBLOCK)
after = sys.getrefcount(box)
print(json.dumps({'before': before, 'after': after}))
