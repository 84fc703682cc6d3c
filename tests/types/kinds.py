# SPDX-License-Identifier: Apache-2.0
"""Objects of many types, each type's on a line of its own: says {line: {type: how many}} of the file <kinds>."""
import asyncio
import collections
import datetime
import itertools
import json
import sys
import threading

N = 300
kept, expected = [], {}


class Plain:
    pass


class Slots:
    __slots__ = ('x',)


class Loose:
    __slots__ = ('x', '__dict__', '__weakref__')


class Weak:
    __slots__ = ('__weakref__',)


class Outer:
    class Inner:
        class Most:
            pass


class Meta(type):
    pass


class Made(metaclass=Meta):
    pass


class Filled:
    def __init__(self):
        self.a = self.b = self.c = self.d = None


class Finalized:
    def __del__(self):
        pass


def local():
    class Local:
        pass
    return Local


def generator():
    yield 1


async def coroutine():
    pass


async def asyncgen():
    yield 1


Local = local()
Point = collections.namedtuple('Point', 'x y')
for name, base in ('List', list), ('Dict', dict), ('Int', int), ('Str', str), ('Tuple', tuple), ('Float', float), \
        ('Bytes', bytes), ('Set', set), ('Error', KeyError), ('Deque', collections.deque), ('Object', object):
    globals()['Sub' + name] = type('Sub' + name, (base,), {})


def closed(c):
    c.close()
    return c


CASES = [
    ('Plain()', '__main__.Plain'),
    ('Slots()', '__main__.Slots'),
    ('Loose()', '__main__.Loose'),
    ('Weak()', '__main__.Weak'),
    ('Outer()', '__main__.Outer'),
    ('Outer.Inner()', '__main__.Outer.Inner'),
    ('Outer.Inner.Most()', '__main__.Outer.Inner.Most'),
    ('Made()', '__main__.Made'),
    ('Filled()', '__main__.Filled'),
    ('Finalized()', '__main__.Finalized'),
    ('Local()', '__main__.local.<locals>.Local'),
    ('tuple.__new__(Point, (i, i))', '__main__.Point'),
    ('SubList([i, i])', '__main__.SubList'),
    ('SubDict()', '__main__.SubDict'),
    ('SubInt(10 ** 20)', '__main__.SubInt'),
    ('SubStr("some")', '__main__.SubStr'),
    ('SubTuple((1, 2))', '__main__.SubTuple'),
    ('SubFloat(1.5)', '__main__.SubFloat'),
    ('SubBytes(b"some")', '__main__.SubBytes'),
    ('SubSet()', '__main__.SubSet'),
    ('SubError(1)', '__main__.SubError'),
    ('SubDeque()', '__main__.SubDeque'),
    ('SubObject()', '__main__.SubObject'),
    ('object()', 'object'),
    ('set()', 'set'),
    ('frozenset((1, i))', 'frozenset'),
    ('bytearray(100)', 'bytearray'),
    ('bytes(700)', 'bytes'),
    ('"x" * (900 + i)', 'str'),
    ('complex(1, i)', 'complex'),
    ('ValueError(1)', 'ValueError'),
    ('OSError(1, "text")', 'PermissionError'),
    ('UnicodeDecodeError("utf-8", b"", 0, 1, "")', 'UnicodeDecodeError'),
    ('collections.deque()', 'collections.deque'),
    ('collections.OrderedDict()', 'collections.OrderedDict'),
    ('collections.defaultdict(int)', 'collections.defaultdict'),
    ('itertools.count()', 'itertools.count'),
    ('datetime.timedelta(1)', 'datetime.timedelta'),
    ('datetime.datetime(2020, 1, 1)', 'datetime.datetime'),
    ('datetime.time(1)', 'datetime.time'),
    ('threading.Lock()', '_thread.lock'),
    ('generator()', 'generator'),
    ('closed(coroutine())', 'coroutine'),
    ('asyncgen()', 'async_generator'),
    ('lambda: None', 'function'),
    ('property(None)', 'property'),
    ('staticmethod(None)', 'staticmethod'),
    ('super(SubList, SubList)', 'super'),
    ('memoryview(b"some")', 'memoryview'),
    ('json.JSONDecodeError("", "", 0)', 'json.decoder.JSONDecodeError'),
]


def run(line, source):
    exec(compile('\n' * (line - 1) + source, '<kinds>', 'exec'), globals())


for line, (make, kind) in enumerate(CASES, 10):
    run(line, 'for i in range(N): kept.append(%s)' % make)
    expected[line] = {kind: N}
    if line % 3:
        del kept[:]  # the others die when the interpreter does

line += 10
for k in range(200):  # types that die; others are made at their addresses
    run(line, 'kind = type("Dying%d" % k, (Plain, SubList)[:1 + k % 2], {}); kept = [kind() for i in range(3)]; del kept, kind')
    expected.setdefault(line, {})['__main__.Dying%d' % k] = 3

print(json.dumps(expected))
