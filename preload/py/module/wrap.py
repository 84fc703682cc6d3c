# SPDX-License-Identifier: Apache-2.0
"""wrap: libpytrace.region as a decorator. Part of libpytrace.so; run when a program imports the module."""


class Steps:
    """Awaits something step by step: the region is left whenever it waits."""
    __slots__ = 'region', 'awaited', 'again'

    def __init__(self, region, awaited, again=False):
        self.region, self.awaited, self.again = region, awaited, again

    def __await__(self):
        return steps(self.region, self.awaited.__await__(), self.again)


def steps(region, inner, again=False):
    step, argument = inner.send, None
    while True:
        if again:
            region._resume()
        else:
            region.__enter__()
        again = True
        try:
            value = step(argument)
        except StopIteration as stop:
            return stop.value
        finally:
            region.__exit__(None, None, None)
            argument = step = None
        try:
            argument, step = (yield value), inner.send
        except GeneratorExit:
            with region:
                inner.close()
            raise
        except BaseException as error:
            argument, step = error, inner.throw


def wrap_plain(region, function):
    def wrapper(*args, **kwargs):
        with region:
            return function(*args, **kwargs)
    return wrapper


def wrap_generator(region, function):
    def wrapper(*args, **kwargs):
        return (yield from steps(region, function(*args, **kwargs)))
    return wrapper


def wrap_coroutine(region, function):
    async def wrapper(*args, **kwargs):
        return await Steps(region, function(*args, **kwargs))
    return wrapper


def wrap_async_generator(region, function):
    async def wrapper(*args, **kwargs):
        inner = function(*args, **kwargs)
        step, argument, again = inner.asend, None, False
        while True:
            try:
                value = await Steps(region, step(argument), again)
            except StopAsyncIteration:
                return
            finally:
                argument, step, again = None, None, True
            try:
                argument, step = (yield value), inner.asend
            except GeneratorExit:
                await Steps(region, inner.aclose(), True)
                raise
            except BaseException as error:
                argument, step = error, inner.athrow
    return wrapper


def flags_of(function):
    while hasattr(function, 'func'):  # functools.partial
        function = function.func
    return getattr(getattr(function, '__code__', None), 'co_flags', 0)


def __call__(self, function):
    """Return a function that does the same in this region.

    Of a coroutine or generator, the region is left while it is suspended.
    """
    from functools import update_wrapper
    if not callable(function):
        raise TypeError('libpytrace.region decorates functions, not %s' % type(function).__name__)
    for flag, wrap in (0x200, wrap_async_generator), (0x80, wrap_coroutine), (0x20, wrap_generator), (0, wrap_plain):
        if flags_of(function) & flag == flag:
            break
    wrapper = update_wrapper(wrap(self, function), function)
    if flags_of(function) & 0x100:
        from types import coroutine
        wrapper = coroutine(wrapper)
    return wrapper


__call__.__qualname__ = 'region.__call__'
