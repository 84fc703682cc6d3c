"""A C library keeps a few names that it copied while its buffers were there: the heap cannot shrink (as pulpcore #7481).

verdict: fragmentation
c: _queue.c
"""
import ctypes
import os
import time

library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_queue.so"))
library.receive.argtypes = [ctypes.c_char_p]
for number in range(3900):
    library.receive(b"sender number %d" % number)
    if number % 20 == 0:
        time.sleep(0.002)
library.deliver()
time.sleep(1.5)
