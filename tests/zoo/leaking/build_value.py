"""Py_BuildValue("O") where "N" was meant: each answer leaves its list behind (as CPython bpo-36098, psycopg2, lxml).

verdict: reference-leak
type: list
c: _answer.c
"""
import time

import _answer

for number in range(1500):
    _answer.answer("header %d" % number)
    time.sleep(0.001)
