"""A library of C keeps a list of all that it was told, reachable and never cut (as the debug logs of drivers).

verdict: growth
c: _log.c
"""
import ctypes
import os
import time

library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_log.so"))
library.note.argtypes = [ctypes.c_char_p]
for number in range(1800):
    library.note(b"entry %d" % number)
    time.sleep(0.001)
