"""PyErr_Fetch() hands three references over, which the caller of handlers forgets (as CPython bpo-32050, PyGObject, SWIG).

verdict: reference-leak
c: _events.c
"""
import time

import _events


class Refused(Exception):
    pass


def handler():
    body = ["a line of the request"] * 20
    raise Refused(body)  # leak


for number in range(1500):
    _events.fire(handler)
    time.sleep(0.001)
