# SPDX-License-Identifier: Apache-2.0
"""Threads with the names that Python gives, that the program gives, early and late, and that C code gives."""
import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from who import *


def work(n, size):
    for i in range(n):
        take(threading.current_thread().name, size + i)


def renamed(name, size):
    key, me = name, threading.current_thread()
    take(key, size)
    me.name = 'not for long'
    take(key, size)
    me.name = name


class Own(threading.Thread):
    def __init__(self, size):
        super().__init__(name='own %d' % size)
        self.size = size

    def run(self):
        take(self.name, self.size)


def dummy(arg):
    take(threading.current_thread().name, arg)
    return 0


wait = threading.Event()


def stays(name):
    take(name, 1234)
    wait.wait(20)


threading.main_thread().name = 'the main thread'
for name in 'first', 'idle':  # what the C library makes once, and for each thread
    run_alone(threading.Thread(target=lambda: None, name=name))
threads = [threading.Thread(target=work, args=(5 + i, 100 * i), name='named %d' % i) for i in range(1, 6)]
threads += [threading.Thread(target=work, args=(3, 77)) for i in range(3)]
threads += [threading.Thread(target=renamed, args=('renamed %d' % i, 600 + i)) for i in range(4)]
threads += [Own(i) for i in (31, 32)]
threads += [threading.Thread(target=work, args=(2, 50), name='n\u00e4m\u20acd \U0001f40d'),
            threading.Thread(target=work, args=(2, 51), name='x' * 100)]
for t in threads:
    t.start()
for t in threads:
    t.join()
with ThreadPoolExecutor(3, thread_name_prefix='pool') as pool:
    list(pool.map(lambda n: work(1, n), range(200, 230)))
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(dummy)
for i in range(3):
    released.truth_call_in_thread(callback, 900 + i)
for i in range(3):
    name, n = 'in C %d' % i, 10 + i
    released.truth_named_thread(name.encode(), ctypes.c_size_t(2000 + i), n)
    rows[name] = [n * (2000 + i), n]
daemon = threading.Thread(target=stays, args=('stays',), name='stays', daemon=True)
daemon.start()
while 'stays' not in rows:
    pass
done()
