"""PyObject_GetBuffer() without PyBuffer_Release(): the bytearray cannot die (as CPython bpo-22995, gh-123271 and others).

verdict: reference-leak
c: _sink.c
"""
import time

import _sink


def send(number):
    packet = bytearray(300 + number % 100)  # leak
    _sink.send(packet)


for number in range(1500):
    send(number)
    time.sleep(0.001)
