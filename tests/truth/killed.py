"""Writes a diary of every allocation until it is killed: killed.py FILE THREADS BLOCKS STEP.

Each thread makes BLOCKS blocks, STEP of them in one call to C; between the calls Python makes objects, frames and code.
"""
import mmap
import threading
from truth import *

path, threads, blocks, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
BASE = 1 << 20
diary_bytes = 16 + 8 * blocks
with open(path, 'r+b') as f:
    shared = mmap.mmap(f.fileno(), threads * diary_bytes)
start = ctypes.addressof(ctypes.c_char.from_buffer(shared))
declare(helper, 'truth_diary', None, P, ctypes.c_uint64, ctypes.c_uint64, N)


def between(n):
    code = compile('def f(x):\n    return [bytes(x), {x: str(x)}]\n', '<made %d>' % n, 'exec')
    space = {}
    exec(code, space)
    return space['f'](n % 1000) if n % 3 else between(n + 1)


def work(t):
    for first in range(0, blocks, step):
        helper.truth_diary(start + t * diary_bytes, first, min(step, blocks - first), BASE + t * blocks)
        between(first)


workers = [threading.Thread(target=work, args=(t,)) for t in range(1, threads)]
os.write(1, b'go\n')
for w in workers:
    w.start()
work(0)
for w in workers:
    w.join()
