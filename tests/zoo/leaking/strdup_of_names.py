"""A C library copies each name that it is given over the one before (as OpenSSL's X509_STORE names, libxml2's xmlSetProp misuse).

verdict: native-unreachable
c: _names.c
"""
import ctypes
import os
import time

library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_names.so"))
library.rename_to.argtypes = [ctypes.c_char_p]
for number in range(1500):
    library.rename_to(b"the name of thing number %d, which is quite long" % number)
    time.sleep(0.001)
