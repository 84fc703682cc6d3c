# SPDX-License-Identifier: Apache-2.0
"""Subinterpreters: on the main thread, on threads, at the same time, with one GIL or each its own; taken down and made again."""
import sys
import threading

try:
    import _interpreters as interps
except ImportError:
    import _xxsubinterpreters as interps

TEXT = '''def inner(n):
    own = bytes(n * 0 + %d)
    return [[own] for _ in range(n)]

class Kept:
    def __del__(self):
        inner(1)

def work(n):
    return inner(n), {i: str(i) for i in range(n)}, Kept()

for turn in range(50):
    work(turn %% 7)
'''


def create(own_gil):
    if sys.version_info >= (3, 13):
        return interps.create('isolated' if own_gil else 'legacy')
    return interps.create(isolated=own_gil) if sys.version_info >= (3, 10) else interps.create()


def run(number, own_gil):
    i = create(own_gil)
    for _ in range(2):
        said = interps.run_string(i, TEXT % (300000 + number))
        assert said is None, said
    interps.destroy(i)


# A legacy one needs the main interpreter's GIL for as long as it runs: then the threads take turns.
run(0, False)
run(1, True)
for turn in range(2):
    threads = [threading.Thread(target=run, args=(2 + t, t < 4)) for t in range(5)]
    for t in threads:
        t.start()
    for n in range(100):
        here = [bytes(2000) for _ in range(n)]
    for t in threads:
        t.join()
print('end')
