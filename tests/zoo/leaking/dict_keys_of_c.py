"""PyDict_SetItem() with a key made in place: nobody gives the key back (as libais up to 2021, pull request 222).

verdict: reference-leak
c: _ais.c
"""
import time

import _ais

for number in range(1500):
    _ais.decode(number)
    time.sleep(0.001)
