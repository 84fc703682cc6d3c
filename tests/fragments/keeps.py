# SPDX-License-Identifier: Apache-2.0
"""Fills much memory and keeps a little of it, as argv[1] says; then, as argv[2] says:

    stay      works on for longer than that took
    end       ends at once
    release   gives the little back, asks malloc to do the same with what is free, and prints by how many bytes that shrank
              resident memory
"""
import ctypes
import gc
import json
import os
import sys
import threading
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
done, threads = threading.Event(), []
kept, owned = [], []  # objects; addresses of blocks


def touched(address, size):
    libc.memset(address, 1, size)
    return address


def free(addresses):
    """Blocks of malloc's, which Python's own allocator has no part in."""
    for address in addresses:
        libc.free(address)


def objects():
    many = [bytes(i % 90 + 250) for i in range(120000)]  # objects
    kept.extend(many[::100])


def blocks():
    many = [touched(libc.malloc(i % 3400 + 600), 600) for i in range(15000)]  # blocks
    owned.extend(many[::100])
    del many[::100]
    free(many)


def one_on_top():
    many = [touched(libc.malloc(i % 3400 + 600), 600) for i in range(15000)]
    owned.append(libc.malloc(5000))  # one_on_top
    free(many)


def heaps_of_threads():
    ready = threading.Barrier(4)

    def work():
        many = [touched(libc.malloc(i % 3400 + 600), 600) for i in range(6000)]  # heaps_of_threads
        owned.extend(many[::100])
        del many[::100]
        free(many)
        ready.wait()
        done.wait()
    threads.extend(threading.Thread(target=work) for i in range(3))
    for t in threads:
        t.start()
    ready.wait()


def parsed():
    text = json.dumps([{'name': 'user %d' % i, 'city': 'city number %d' % i, 'n': i / 3} for i in range(80000)])
    rows = json.loads(text)  # parsed
    kept.extend(r['city'] for r in rows[::50])


def objects_all_freed():
    many = [bytes(i % 90 + 250) for i in range(120000)]
    kept.append(len(many))


def objects_side_by_side():
    many = [bytes(i % 90 + 250) for i in range(120000)]
    kept.extend(many[:1200])


def objects_half():
    many = [bytes(i % 90 + 250) for i in range(120000)]
    kept.extend(many[::2])


def blocks_all_freed():
    free([touched(libc.malloc(i % 3400 + 600), 600) for i in range(15000)])


def blocks_freed_from_the_top():
    """A thread's cache of freed blocks keeps a few of them, and so all that is below: nothing is alive there."""
    free(reversed([touched(libc.malloc(i % 3400 + 600), 600) for i in range(15000)]))


def large_blocks():
    many = [libc.malloc(1 << 20) for i in range(60)]
    owned.extend(many[::10])
    del many[::10]
    free(many)


def bursts():
    """The same memory again and again."""
    for i in range(8):
        objects()
        del kept[:]
    objects()


def resident():
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def work():
    for n in range(1000):
        n * n


def release():
    before = resident()
    done.set()
    for t in threads:
        t.join()
    del kept[:]
    free(owned)
    gc.collect()
    libc.malloc_trim(0)
    print(before - resident())


globals()[sys.argv[1]]()
gc.collect()
if sys.argv[2] == 'release':
    release()
elif sys.argv[2] == 'stay':
    until = time.process_time() * 2.5
    while time.process_time() < until:
        work()
sys.stdout.flush()
done.set()
