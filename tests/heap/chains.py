# SPDX-License-Identifier: Apache-2.0
"""Objects of a class each, held in every way that a Python program holds something. Prints {class: how it is reached}."""
import collections
import functools
import json
import sys
import types

app = types.ModuleType('app')
sys.modules['app'] = app
reached = {}


def holds(expression):
    """A new class whose only instance is reached so."""
    cls = type('Held%d' % len(reached), (), {})
    reached[cls.__name__] = expression
    return cls()


class Session:
    pass


class Slotted:
    __slots__ = ('first', 'second')


class Keeper:
    kept = holds('__main__.Keeper.kept')

    def __init__(self, what):
        self.what = what

    def method(self):
        return self.what


def closing():
    captured, other = holds('__main__.closure.<closure>.captured'), None

    def inner():
        return other, captured
    return inner


def generating():
    local = holds('__main__.generator.<locals>.local')
    yield local
    yield None


def with_default(x=holds('__main__.with_default.__defaults__[0]'), *, y=holds("__main__.with_default.__kwdefaults__['y']")):
    return x, y


app.cache = {}
app.cache['u17'] = Session()  # session
app.cache['u17'].session = holds("app.cache['u17'].session")
pair = (0, holds('__main__.pair[1]'))
rows = [None, [1, holds('__main__.rows[1][1]')]]
by_number = {42: holds('__main__.by_number[42]')}
by_pair = {('a', 7): holds("__main__.by_pair[('a', 7)]")}
queue = collections.deque([holds('__main__.queue[0]')])
slotted = Slotted()
slotted.second = holds('__main__.slotted.second')
closure = closing()
bound = Keeper(holds('__main__.bound.__self__.what')).method
generator = generating()
next(generator)
partial = functools.partial(print, holds('__main__.partial.args[0]'))
plain = holds('__main__.plain')
print(json.dumps(reached))
