"""The buffer that getline() makes for its caller is never freed (as CVE lists of small parsers are full of).

verdict: native-unreachable
c: _lines.c
"""
import ctypes
import os
import time

library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_lines.so"))
path = os.path.abspath(__file__).encode()
for number in range(1500):
    library.count_words(path)
    time.sleep(0.001)
