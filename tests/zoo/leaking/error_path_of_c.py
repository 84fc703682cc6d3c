"""The error path of a parser in C forgets the dict that it had begun (as CPython gh-120811, gh-145376, bpo-38168).

verdict: reference-leak
c: _record.c
"""
import time

import _record

for number in range(2500):
    try:
        _record.parse("record" + "x" * (number % 4))
    except ValueError:
        pass
    time.sleep(0.0008)
