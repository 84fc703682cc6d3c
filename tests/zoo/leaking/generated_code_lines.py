"""Source text of generated code goes into linecache under a new name each time (as attrs #1139, dataclasses-like generators).
The constants are the same each time: without a GIL the interpreter keeps those of all code it ever compiled, which would be
a second leak.

verdict: growth
holder: linecache.cache
"""
import linecache
import time


def make(number):
    name = "<generated %d>" % number
    text = "x + 1  # %d\n" % number
    linecache.cache[name] = len(text), None, text.splitlines(True), name  # leak
    return eval(compile(text, name, "eval"), {"x": 1})


for number in range(1200):
    make(number)
    time.sleep(0.0015)
