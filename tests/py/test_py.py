# SPDX-License-Identifier: Apache-2.0
"""Python stacks are those of a full walk at every event, and the offsets are those of the interpreter's own headers."""
import collections
import glob
import os
import subprocess
import sys

import harness
import snapshots
import tracefile

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
HERE = os.path.dirname(os.path.abspath(__file__))
OBJECT = tracefile.LAYERS.index('object')


def run_checked(python, tmp, name, **env):
    """Runs a program of this folder with each stack checked; returns its trace's path."""
    env['PYTRACE_LOG'] = 'check'
    done = harness.run_traced([python.path, '-B', '-W', 'ignore', os.path.join(HERE, name)], tmp, env, timeout=280)
    assert done.returncode == 0 and done.out.strip() == 'end', (done.returncode, done.out[-300:], done.err[-300:])
    assert not done.err.strip(), done.err[:400]
    assert harness.report('info', done.trace)['python']['stacks_off'] is None
    return done.trace


@harness.timeout(300)
def test_stacks_whatever_changes(python, tmp):
    footer = snapshots.Blocks(run_checked(python, tmp, 'changes.py')).footer
    assert footer['ops'][tracefile.FRAME] > 10000, footer


@harness.timeout(300)
def test_stacks_of_code_that_dies(python, tmp):
    trace = tracefile.TraceFile(run_checked(python, tmp, 'deaths.py'))
    header, seen = 49 if python.free_threaded else 33, 0
    for _, _, size, stack in trace.only(OBJECT):
        number = size - header - 100000
        if not 0 <= number < 13000:
            continue
        _, line, _, function = trace.stack(stack)[0]
        if not function.startswith('f_'):
            continue  # the compiler took so much
        want = 'f_%02d_%03d' % (number // 1000, number % 1000), 2 + number % 1000 % 7
        assert (function, line) == want, (want, trace.stack(stack))
        seen += 1
    assert seen > 2000, seen


def own_bytes(python, path, names):
    """How often each function of deaths.py's sort took bytes of its own size, seen at its name and line."""
    trace = tracefile.TraceFile(path)
    header, seen = 49 if python.free_threaded else 33, collections.Counter()
    for _, _, size, stack in trace.only(OBJECT):
        if size - header not in names:
            continue
        want = names[size - header]
        frames = [(function, line) for _, line, _, function in trace.stack(stack)]
        assert frames and frames[0] == want, (want, frames)
        seen[want] += 1
    return seen


@harness.timeout(300)
def test_stacks_of_subinterpreters(python, tmp):
    """Some with a GIL of their own, at the same time."""
    if not (python.has('_xxsubinterpreters') or python.has('_interpreters')):
        raise harness.Skip('no module for subinterpreters')
    trace = run_checked(python, tmp, 'interps.py')
    seen = own_bytes(python, trace, {300000 + i: ('inner', 2) for i in range(8)})
    assert seen[('inner', 2)] >= 200 * 5, seen


@harness.timeout(300)
def test_stacks_of_foreign_threads(python, tmp):
    """Threads that C code made, which come to Python for a moment, and threads that never do."""
    trace = run_checked(python, tmp, 'foreign.py')
    seen = own_bytes(python, trace, {400000: ('called', 18)})
    assert seen[('called', 18)] >= 100, seen


@harness.timeout(300)
def test_stacks_with_debug_hooks(python, tmp):
    run_checked(python, tmp, 'without_gil.py', PYTHONMALLOC='debug')


@harness.timeout(300)
def test_stacks_without_the_gil(python, tmp):
    """sqlite calls malloc with the GIL given back: the thread's own stack is still recorded."""
    if not python.has('sqlite3'):
        raise harness.Skip('no sqlite3')
    trace = run_checked(python, tmp, 'without_gil.py')
    names = {c.name for c in tracefile.TraceFile(trace).code.values()}
    assert 'q' in names and 'z' in names, sorted(names)[:50]


@harness.timeout(300)
def test_stacks_of_greenlets(python, tmp):
    if not python.has('greenlet'):
        raise harness.Skip('no greenlet')
    run_checked(python, tmp, 'switches.py')


def test_offsets(python):
    """scripts/gen-py-layout finds the rows of preload/py/layout/layout_rows.h in the headers."""
    if not glob.glob(os.path.join(python.include, 'internal', 'pycore_*.h')):
        raise harness.Skip('no headers of %s' % python.label)
    done = subprocess.run([sys.executable, os.path.join(harness.TOP, 'scripts', 'gen-py-layout'), '--check', python.path],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0 and 'offsets agree' in done.stdout, done.stdout[-2000:]
