"""A registry keeps weak references and never removes the dead ones.

verdict: growth
holder: __main__.registry
"""
import time
import weakref

registry = []


class Listener:
    pass


def connect(number):
    registry.append(weakref.ref(Listener(), lambda dead: None))  # leak


for number in range(2500):
    connect(number)
    time.sleep(0.0008)
