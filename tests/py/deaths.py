# SPDX-License-Identifier: Apache-2.0
"""Code objects that are made, run and freed by several threads at once, at addresses that are used again: run with
PYTRACE_LOG=check. With free-threaded builds the threads run at the same time, and code has a copy for each of them. Each
function takes bytes of its own size, so that the trace can be asked whether the right one was seen to do so."""
import sys
import threading

THREADS, ROUNDS = 4, 120
clear = getattr(sys, '_clear_internal_caches', None)
shared = []


def source(thread, i):
    """Many different functions whose code objects have the same size. The bytes are taken on line 2 + i % 7."""
    return 'def f_%02d_%03d(n, call):\n%s    own = bytes(n * 0 + %d)\n    return call(n) if call else [[own] for _ in range(n)]\n' % (
        thread, i, '\n' * (i % 7), 100000 + 1000 * thread + i)


def make(thread, i):
    names = {}
    exec(compile(source(thread, i), 'made_%d_%d.py' % (thread, i % 5), 'exec'), names)
    return names['f_%02d_%03d' % (thread, i)]


def generator(f):
    while True:
        yield f(3, None)


def work(thread):
    mine, running = [], []
    for i in range(ROUNDS):
        f = make(thread, i)
        f(2, lambda n: [object() for _ in range(n)])
        mine.append(f)
        if i % 50 == 0:
            running.append(generator(f))
        for g in running:
            next(g)
        if i % 3 == 0:
            shared.append(f)
        for other in shared[-4:]:
            other(1, f.__class__ and None)
        if i % 10 == 9:
            del mine[:]
        if i % 40 == 39:
            del shared[:20]


def short(thread):
    """A thread that lives for a moment: its number, and the copies of code that bear it, are the next one's."""
    for i in range(3):
        f = make(thread, 900 + i)
        f(2, lambda n: [str(n)])
        shared.append(f)


def main():
    for turn in range(2):
        threads = [threading.Thread(target=work, args=(t,)) for t in range(THREADS)]
        for t in threads:
            t.start()
        for i in range(40):
            t = threading.Thread(target=short, args=(10 + i % 3,))
            t.start()
            t.join()
            if clear and i % 5 == 0 and sys.version_info >= (3, 14):
                clear()
        for t in threads:
            t.join()
        # started by one thread, gone on by another
        g = generator(make(turn, 1))
        t = threading.Thread(target=next, args=(g,))
        t.start()
        t.join()
        next(g)
        del shared[:]
    print('end')


main()
