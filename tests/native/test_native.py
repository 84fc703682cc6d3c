# SPDX-License-Identifier: Apache-2.0
"""Native stacks, frame by frame: against libunwind, and cached walks against full ones."""
import os
import re

import harness

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
HERE = os.path.dirname(os.path.abspath(__file__))
LINE = re.compile(r'unwind: (\d+) stacks of (\d+) frames compared with libunwind, (\d+) differ; (\d+) do not go with')


def compiled(tmp, out, *arguments, compiler='cc'):
    return harness.compiled(os.path.join(tmp, out), compiler, *arguments)


def compare(argv, tmp, least, **env):
    """Runs a program with every stack checked: no difference, and at least so many stacks compared with libunwind."""
    env.update(PYTRACE_LOG='check,unwind', PYTRACE_PROGRAMS='*', PYTRACE_NATIVE='1', PYTRACE_FOLLOW='none')
    done = harness.run_traced(argv, tmp, env, timeout=250).check()
    found = LINE.search(done.err)
    if not found:
        assert 'libunwind.so.8 is not here' in done.err, done.err[-1000:]
        raise harness.Skip('no libunwind to compare with')
    stacks, frames, wrong, apart = map(int, found.groups())
    assert not wrong and not apart and done.err.count('\n') == 1, done.err[:2000]
    assert stacks >= least and frames >= 3 * stacks, done.err
    return done


SHAPES = {'deep': 500, 'frame_pointer': 20, 'realigned': 20, 'jumps': 200, 'signals': 20, 'signal_stack': 20, 'coroutines': 150,
          'threads': 4000, 'libraries': 40, 'lazy': 30}


@harness.cases(*SHAPES)
@harness.timeout(300)
def test_shapes_of_c(tmp, case):
    """Recursion, alloca, realigned frames, longjmp, signals on two stacks, coroutines, threads, dlclose; three levels of optimisation."""
    libraries = [compiled(tmp, name, '-O2', '-shared', '-fPIC', '-DSIZE=%d' % size, os.path.join(HERE, 'library.c'))
                 for name, size in (('a.so', 64), ('b.so', 640))]
    for level in '-O0', '-O2', '-O3':
        program = compiled(tmp, 'shapes' + level, '-g', level, '-pthread', os.path.join(HERE, 'shapes.c'), '-ldl')
        done = compare([program, case], tmp, SHAPES[case], LIBRARY_A=libraries[0], LIBRARY_B=libraries[1])
        assert done.out == 'done %s\n' % case, done.out


@harness.timeout(300)
def test_exceptions_of_cxx(tmp):
    for level in '-O0', '-O2':
        program = compiled(tmp, 'exceptions' + level, '-g', level, os.path.join(HERE, 'exceptions.cc'), compiler='c++')
        assert compare([program], tmp, 500).out == 'done 200\n'


PYTHON = '''
import ctypes, functools, gc, json, re, sys, threading, zlib

libc = ctypes.CDLL(None)
order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))

def by_callback(n):
    """C calls Python in the middle."""
    array = (ctypes.c_int * n)(*range(n, 0, -1))
    libc.qsort(array, n, ctypes.sizeof(ctypes.c_int), order(lambda a, b: len([a[0]]) and a[0] - b[0]))
    return sum(array)

def numbers(n):
    for i in range(n):
        yield str(i) * 5

class Node:
    def __init__(self, n):
        self.next = Node(n - 1) if n else None
    def __del__(self):
        self.last = [1.5 * n for n in range(3)]

def fail(n):
    if not n:
        raise ValueError("x" * 50)
    try:
        fail(n - 1)
    finally:
        [n]

def work():
    for i in range(12):
        d = json.loads(json.dumps({"a": [{"b": list(range(i))}] * 5, "c": "text" * i}))
        sorted(d, key=lambda k: (k, len(str(k))))
        re.sub("[a-z]+", lambda m: m.group().upper() + str(i), "some text of words " * 3)
        functools.reduce(lambda a, b: a + [b], numbers(10), [])
        zlib.decompress(zlib.compress(b"0" * 100000))
        by_callback(12)
        Node(10)
        try:
            fail(10)
        except ValueError as e:
            list(map(str, [e]))
        gc.collect(0)

threads = [threading.Thread(target=work) for _ in range(3)]
[t.start() for t in threads]
work()
[t.join() for t in threads]
print("done")
'''


@harness.timeout(300)
def test_python(python, tmp):
    """Callbacks through C both ways, generators, exceptions, destructors, threads: every allocation's stack."""
    path = os.path.join(tmp, 'program.py')
    with open(path, 'w') as f:
        f.write(PYTHON)
    done = compare([python.path, '-B', path], tmp, 2000)
    assert done.out == 'done\n', done.out
