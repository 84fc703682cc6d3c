"""A warning whose text is always another: each stays in __warningregistry__ (cpython #97557, #71722).

verdict: growth
"""
import time
import warnings

warnings.simplefilter("default")
warnings.showwarning = lambda *args, **more: None


def execute(query, number):
    if number % 2 == 0:
        warnings.warn("query %d of %s is deprecated" % (number, query), DeprecationWarning)  # leak


for number in range(4000):
    execute("select 1", number)
    time.sleep(0.0005)
