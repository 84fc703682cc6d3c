"""tp_traverse of a heap type does not visit the type (CPython bpo-40217): a type whose attribute is its own instance stays.

verdict: cycle-uncollectable
c: _plugin.c
"""
import time

import _plugin


def load(number):
    kind = _plugin.make_type()  # leak
    kind.default = kind()  # leak
    return kind.__name__


for number in range(600):
    load(number)
    time.sleep(0.003)
