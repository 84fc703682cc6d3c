# SPDX-License-Identifier: Apache-2.0
"""What libpytrace looks like and does, as far as the program can see: the same from the built-in module and the package."""
import asyncio
import functools
import gc
import inspect
import json
import sys
import types

import libpytrace

NAMES = 'flush mark region snapshot start stats stop watch'.split()
said = {'version': libpytrace.__version__, 'names': [n for n in dir(libpytrace) if not n.startswith('_')]}


def refused(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except TypeError as e:
        return str(e) and 'TypeError'
    return 'nothing'


# ---- how they look ----

said['signatures'] = {n: str(inspect.signature(getattr(libpytrace, n))) for n in NAMES}
said['docs'] = {n: bool(getattr(libpytrace, n).__doc__) and '--\n' not in getattr(libpytrace, n).__doc__ for n in NAMES}
said['doc'] = bool(libpytrace.__doc__)
said['call'] = str(inspect.signature(libpytrace.region.__call__))
said['stats'] = sorted(libpytrace.stats())
said['types'] = {k: type(v).__name__ for k, v in libpytrace.stats().items() if k not in ('file', 'watch_off')}

# ---- arguments ----

R = libpytrace.region('r')
said['wrong'] = [refused(*a[:1], *a[1:]) for a in (
    (libpytrace.mark,), (libpytrace.mark, 1), (libpytrace.mark, b'a'), (libpytrace.mark, None), (libpytrace.mark, 'a', 'b'),
    (libpytrace.snapshot, 1), (libpytrace.snapshot, 'a', 'b'), (libpytrace.watch,), (libpytrace.watch, 1, 2),
    (libpytrace.flush, 1), (libpytrace.stats, 1), (libpytrace.start, 1), (libpytrace.stop, 1), (libpytrace.region,), (libpytrace.region, 1), (libpytrace.region, 'a', 'b'),
    (R,), (R, 1), (R, None))] + [
    refused(libpytrace.mark, lable='a'), refused(libpytrace.mark, 'a', label='a'), refused(libpytrace.snapshot, lable='a'),
    refused(libpytrace.region, lable='a')]
said['right'] = [libpytrace.mark('a'), libpytrace.mark(label='a'), libpytrace.flush()]
said['region'] = [repr(R), R.label, repr(libpytrace.region(label='\u00e4')), type(R).__module__, type(R).__qualname__]
try:
    R.label = 'other'
except AttributeError:
    said['read only'] = R.label

# ---- a context manager ----

with R as entered:
    with R:
        pass
said['entered'] = entered is R
try:
    with R:
        raise KeyError(1)
except KeyError as e:
    said['passes on'] = repr(e)

# ---- a decorator ----


@R
def plain(a, *args, b=2, **kwargs):
    """Plain."""
    return a, args, b, kwargs


class C:
    @R
    def method(self, n):
        return n + 1

    @staticmethod
    @R
    def static(n):
        return n + 2

    @classmethod
    @R
    def of_class(cls, n):
        return cls.__name__, n


said['plain'] = [plain(1, 2, c=3), plain.__name__, plain.__doc__, str(inspect.signature(plain)), C().method(1), C.static(1), C.of_class(1),
                 R(functools.partial(plain, 9))(8), R(len)([1, 2])]


@R
def numbers(n):
    try:
        for i in range(n):
            got = yield i
            if got:
                yield got * 2
    except ValueError as e:
        yield 'caught %s' % e
    finally:
        trail.append('closed')
    return 'returned'


def last_of(generator):
    result = []
    while True:
        try:
            result.append(next(generator))
        except StopIteration as stop:
            return result, stop.value


trail = []
said['generator'] = [last_of(numbers(3)), inspect.isgeneratorfunction(numbers)]
g = numbers(5)
said['send'] = [next(g), g.send(21), next(g), g.throw(ValueError('v')), trail[:]]
g.close()
said['close'] = trail[:]
said['delegated'] = list((lambda: (yield from numbers(2)))())


@R
def fails():
    yield 1
    raise LookupError('in a generator')


def message(f):
    try:
        f()
    except Exception as e:
        return repr(e)


said['fails'] = message(lambda: list(fails()))


@R
async def add(a, b):
    await asyncio.sleep(0)
    return a + b


@R
async def breaks():
    await asyncio.sleep(0)
    raise LookupError('in a coroutine')


@R
async def waits():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        trail.append('cancelled')
        raise


@R
async def counts(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            got = yield i
            if got:
                yield got * 2
    except ValueError as e:
        yield 'caught %s' % e
    finally:
        await asyncio.sleep(0)
        trail.append('aclosed')


@types.coroutine
def old(n):
    yield from asyncio.sleep(0).__await__()
    return n


async def main():
    said['coroutine'] = [await add(1, 2), inspect.iscoroutinefunction(add), await R(old)(5),
                         await R(functools.partial(add, 3))(4), await asyncio.gather(add(1, 1), add(2, 2))]
    try:
        await breaks()
    except LookupError as e:
        said['breaks'] = repr(e)
    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0.01)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        said['cancelled'] = trail[-1]
    said['async generator'] = [[i async for i in counts(3)], inspect.isasyncgenfunction(counts)]
    a = counts(5)
    said['asend'] = [await a.__anext__(), await a.asend(21), await a.__anext__(), await a.athrow(ValueError('v'))]
    await a.aclose()
    said['aclose'] = trail[-1]


asyncio.run(main())

# ---- nothing is left ----

gc.collect()
gc.disable()
for n in range(20):
    message(lambda: list(fails()))
    list(numbers(3))
    plain(1)
    with libpytrace.region('x'):
        pass
said['cycles'] = gc.collect()

print(json.dumps(said, sort_keys=True))
