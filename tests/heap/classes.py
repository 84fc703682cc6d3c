# SPDX-License-Identifier: Apache-2.0
"""Classes, modules, functions and instances with tracebacks, dropped: cycles of the interpreter's own making. Prints what
each gc.collect() returned."""
import enum
import gc
import json
import types

returned = []


def classes(n):
    for i in range(n):
        class Base:
            size = [i]

            def method(self):
                return __class__

        class Derived(Base):
            __slots__ = 'slot',

            @property
            def prop(self):
                return super().method()
        Derived().slot = Derived


def enums(n):
    for i in range(n):
        enum.Enum('Colour%d' % i, 'RED GREEN BLUE')


def modules(n):
    for i in range(n):
        m = types.ModuleType('made%d' % i)
        exec('import json\nX = (1, (2, [3]))\ndef f(a=X): return f\nclass C:\n  def g(self): return C\nc = C()', m.__dict__)


def errors(n):
    for i in range(n):
        try:
            raise ValueError(i)
        except ValueError as e:
            kept = e
        kept.itself = kept


gc.collect()
gc.disable()
for make in classes, enums, modules, errors:
    make(3)
    returned.append(gc.collect())
print(json.dumps(returned))
