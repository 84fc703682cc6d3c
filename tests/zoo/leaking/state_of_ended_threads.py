"""A library keeps state by pthread_setspecific() under a key without a destructor (as OpenSSL 1.0's error state, libgomp, uvloop).

verdict: native-unreachable
c: _perthread.c
"""
import ctypes
import os
import threading
import time

library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_perthread.so"))


def serve(number):
    library.begin(number)


for number in range(900):
    thread = threading.Thread(target=serve, args=(number,))
    thread.start()
    thread.join()
    time.sleep(0.002)
