"""PyDict_SetItemString() does not steal its value, whose reference stays (as librepo #83, DearPyGui #2104, libnvme #136).

verdict: reference-leak
type: list
c: _repomd.c
"""
import time

import _repomd

for number in range(1500):
    _repomd.describe("repository %d" % number)
    time.sleep(0.001)
