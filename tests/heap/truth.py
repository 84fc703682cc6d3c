# SPDX-License-Identifier: Apache-2.0
"""Makes objects of every sort, and writes down what it knows of them: argv[1].

What it says is true until the interpreter takes itself down: everything it speaks of is kept alive by `hold`, and nothing
of it changes any more. So a snapshot at the end must say the same.
"""
import collections
import functools
import gc
import itertools
import json
import sys
import types
import weakref

gc.disable()


class App:
    pass


class Slots:
    __slots__ = ('left', '_Slots__right', 'weak', '__weakref__')


class Both(Slots):
    """Slots and a dict."""


class Keyed(dict):
    pass


class Listed(list):
    pass


class Paired(tuple):
    pass


class Meta(type):
    pass


class Made(metaclass=Meta):
    held = ['by the class']


class Wrong(Exception):
    pass


class Text(str):
    pass


class Number(int):
    pass


Point = collections.namedtuple('Point', 'x y')


def outer(captured):
    def inner(first, second=captured):
        return captured, first, second
    return inner


def numbers(limit, kept):
    for local in range(limit):
        yield [local, kept]


async def waiting(argument):
    inside = [argument]
    await suspend(inside)


@types.coroutine
def suspend(what):
    yield what


def failing(reason):
    try:
        raise Wrong(reason)
    except Wrong as e:
        return e


def instances():
    app = App()
    app.cache = {'u17': App(), 3: [1], ('a', 1): [2], -70000: [3]}
    app.cache['u17'].session = Slots()
    app.cache['u17'].session.left = [1.5]
    app.cache['u17'].session._Slots__right = (app, 'é' * 3)
    both = Both()
    both.left, both.free = [2], [3]
    crowd = [App() for _ in range(50)]
    for i, a in enumerate(crowd):
        a.index, a.peers = 1000 + i, [crowd]
    odd = [App() for _ in range(40)]
    for i, a in enumerate(odd):
        setattr(a, 'attribute%d' % i, [i])
    seen = App()
    seen.value = [4]
    seen.__dict__['more'] = [5]
    return [app, app.cache, app.cache['u17'], both, crowd, odd, seen] + crowd + odd


def containers():
    keyed, listed, paired = Keyed(a=[1]), Listed([[1], [2]]), Paired(([1], [2]))
    keyed.attribute = [6]
    listed.attribute = [7]
    paired.attribute = [8]
    ordered = collections.OrderedDict((str(i), [i]) for i in range(20))
    ordered.move_to_end('3')
    default = collections.defaultdict(list)
    default['made'].append(1)
    many = collections.OrderedDict((i, [None]) for i in range(300))
    bag = {('t', i) for i in range(100)} | {Point(1, 2)}
    bag.discard(('t', 5))
    removed = {i: [i] for i in range(50)}
    for i in range(0, 50, 3):
        del removed[i]
    queue = collections.deque([[i] for i in range(200)])
    for _ in range(70):
        queue.popleft()
    return [keyed, listed, paired, ordered, default, many, bag, frozenset(bag), removed, queue, Point([1], [2]), ([1], [2]),
            [[1], [2]], bytearray(1000), memoryview(bytearray(100)), collections.ChainMap(removed), collections.Counter('aab')]


@functools.lru_cache(maxsize=None)
def cached(argument):
    return [argument]


def callables():
    make = outer([9])
    partial = functools.partial(make, [10], second=[11])
    cached('kept')
    bound = Keyed(a=1).get
    method = failing.__get__(App())
    return [make, make.__closure__[0], partial, cached, bound, method, property(make, make), staticmethod(make), classmethod(make),
            outer.__code__, Meta, Made, Made(), functools.cached_property(make)]


def suspended():
    g, fresh = numbers(5, [12]), numbers(6, [13])
    next(g)
    c = waiting([14])
    c.send(None)
    e = failing([15])
    w = weakref.ref(Made, print)
    return [g, fresh, c, e, e.__traceback__, e.__traceback__.tb_frame, w, iter([16]), map(outer, [[17]]), zip([18], [19]),
            itertools.chain([20], [21]), itertools.cycle([22]), slice([23], [24], [25]), Text('text'), Number(5), Number(-2 ** 70),
            2 ** 100, -5, b'bytes' * 10, 'plain' * 3, 'wide\u20ac' * 3, 1.5, 2j, object(), types.SimpleNamespace(a=[26]),
            types.MappingProxyType({1: [27]}), weakref.WeakValueDictionary({1: Made}), super(Both, Both())]


def names(app, queue, make, bag, g, c, keyed, listed):
    session = app.cache['u17'].session
    return [
        (id(app), 'cache', id(app.cache)), (id(app.cache), "'u17'", id(app.cache['u17'])), (id(app.cache), '3', id(app.cache[3])),
        (id(app.cache), "('a', 1)", id(app.cache['a', 1])), (id(app.cache), '-70000', id(app.cache[-70000])),
        (id(app.cache['u17']), 'session', id(session)), (id(session), 'left', id(session.left)),
        (id(session), '_Slots__right', id(session._Slots__right)), (id(session._Slots__right), '[0]', id(app)),
        (id(queue), '[3]', id(queue[3])), (id(make), '__closure__', id(make.__closure__)),
        (id(make.__closure__), '[0]', id(make.__closure__[0])), (id(make.__closure__[0]), 'cell_contents', id(make.__defaults__[0])),
        (id(make), '__defaults__', id(make.__defaults__)), (id(make), '__code__', id(make.__code__)),
        (id(make), '__globals__', id(globals())), (id(globals()), "'App'", id(App)),
        (id(keyed), "'a'", id(keyed['a'])), (id(keyed), "'__class__'", id(Keyed)),
        (id(listed), '[1]', id(listed[1])), (id(listed), '__class__', id(Listed)),
        (id(Made), '__mro__', id(Made.__mro__)), (id(Made), '__bases__', id(Made.__bases__)), (id(Made), '__class__', id(Meta)),
    ]


def named_variables(g, c):
    """Of a suspended frame: up to 3.10 it is an object, and has the names."""
    def holder(o, frame):
        return id(frame if sys.version_info < (3, 11) else o)
    return [(holder(g, g.gi_frame), 'kept', id(g.gi_frame.f_locals['kept'])), (holder(c, c.cr_frame), 'inside', id(c.cr_frame.f_locals['inside']))]


def build():
    made = [instances(), containers(), callables(), suspended()]
    said = names(made[0][0], made[1][9], made[2][0], made[1][6], made[3][0], made[3][2], made[1][0], made[1][1])
    if sys.version_info < (3, 11):
        said += named_variables(made[3][0], made[3][2])
    sample = [o for part in made for o in part]
    sample += [o for o in itertools.chain.from_iterable(map(gc.get_referents, sample)) if type(o) in (list, tuple, dict, App)]
    moving = [id(vars(m)) for m in sys.modules.values()]
    sample = [o for o in sample if id(o) not in moving]
    return made, list({id(o): o for o in sample}.values()), said


def tell(made, sample, said, hold, out):
    """Nothing of what is spoken of has a reference here that it will not have at the end."""
    each = [object()]
    types_of = list(map(lambda o: (id(o), type(o).__module__ + '.' + type(o).__qualname__), hold))
    edges = list(map(lambda o: (id(o), list(map(id, gc.get_referents(o)))), sample))
    extra = list(map(sys.getrefcount, each))[0] - 1
    counts = list(map(sys.getrefcount, sample))
    json.dump({'types': types_of, 'edges': edges, 'counts': [(id(o), n - extra) for o, n in zip(sample, counts)], 'names': said}, out)
    out.close()


def main():
    made, sample, said = build()
    out, hold = open(sys.argv[1], 'w'), gc.get_objects()
    tell(made, sample, said, hold, out)
    return made, sample, hold


kept = main()
