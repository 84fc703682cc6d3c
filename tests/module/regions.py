# SPDX-License-Identifier: Apache-2.0
"""Regions in threads, tasks, generators and in each other. Prints what each made by C's malloc: {label: [bytes, blocks]}."""
import asyncio
import ctypes
import json
import os
import sys
import threading

import libpytrace

helper = ctypes.CDLL(os.environ['TRUTH_HELPER'])
helper.truth_malloc.restype, helper.truth_malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
helper.truth_malloc(1)
sums, lock = {}, threading.Lock()


def take(size, *labels):
    helper.truth_malloc(size)
    with lock:
        for label in labels:
            a, b = sums.get(label, (0, 0))
            sums[label] = a + size, b + 1


def shared(n):
    for i in range(n):
        with SHARED:
            take(1000 + i, 'shared')
            with SHARED, libpytrace.region('within'):
                take(50, 'shared', 'within')
            take(2000 + i, 'shared')
        take(3000)


SHARED = libpytrace.region('shared')
threads = [threading.Thread(target=shared, args=(20,)) for _ in range(4)]
with libpytrace.region('starter'):  # what other threads do is theirs
    for t in threads:
        t.start()
    take(100, 'starter')
    for t in threads:
        t.join()


@libpytrace.region('numbers')
def numbers(n):
    for i in range(n):
        take(10 + i, 'numbers')
        yield i


def caller():
    for i in numbers(5):
        take(500)


@libpytrace.region('recursive')
def recursive(n):
    take(7, 'recursive')
    if n:
        recursive(n - 1)
    take(8, 'recursive')


@libpytrace.region('coroutine')
async def coroutine(n):
    for i in range(n):
        take(20 + i, 'coroutine', 'main')
        await asyncio.sleep(0)


async def block(n, label):
    with libpytrace.region(label):
        for i in range(n):
            take(30 + i, label, 'main')
            await asyncio.sleep(0)
    take(900, 'main')


@libpytrace.region('agen')
async def agen(n):
    for i in range(n):
        take(40 + i, 'agen', 'main')
        await asyncio.sleep(0)
        yield i


async def consumer():
    async for i in agen(6):
        take(700, 'main')


async def main():
    await asyncio.gather(*[coroutine(4) for _ in range(3)], *[block(5, 'block') for _ in range(3)], block(4, 'other'), consumer())


recursive(3)
caller()
with libpytrace.region('main'):
    asyncio.run(main())
try:
    with libpytrace.region('raises'):
        take(60, 'raises')
        raise KeyError
except KeyError:
    take(61)
unfinished = libpytrace.region('unfinished').__enter__()
take(62, 'unfinished')
libpytrace.region('unfinished').__exit__(None, None, None)
libpytrace.region('never entered').__exit__()
take(63)
for i in range(3):
    libpytrace.mark('first')
    take(70 + i, 'mark first')
    libpytrace.mark('second')
    take(80 + i, 'mark second')
    libpytrace.mark('')
    take(90)
with libpytrace.region('nothing'):
    pass
with libpytrace.region('na\u00efve \u20ac'):
    take(64, 'na\u00efve \u20ac')
libpytrace.region('left open').__enter__()
take(65, 'left open')
sys.stdout.write(json.dumps(sums))
