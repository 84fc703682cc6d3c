"""Classes made at run time are registered with a singledispatch function, which keeps them for ever.

verdict: growth
"""
import functools
import time


@functools.singledispatch
def render(value):
    return str(value)


def make(number):
    kind = type("Row%d" % number, (), {"number": number})  # leak
    render.register(kind, lambda value: "row")
    return render(kind())


for number in range(500):
    make(number)
    time.sleep(0.004)
