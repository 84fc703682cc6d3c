# SPDX-License-Identifier: Apache-2.0
"""CPython's own tests give the same results traced and untraced.

Each runs on one interpreter, another one each; with --full on all.
"""
import json
import os
import shutil
import tempfile

import harness

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
SHORT = ['test_gc', 'test_json', 'test_dict', 'test_list', 'test_generators', 'test_weakref', 'test_memoryview']
LONG = ['test_ctypes', 'test_threading', 'test_subprocess', 'test_multiprocessing_fork', 'test_asyncio']
# What stands for a module in the default run, where the whole of it takes minutes.
PARTS = {'test_asyncio': ['test_asyncio.test_' + n for n in ('tasks', 'futures', 'queues', 'locks', 'streams')]}
LIMIT = 900


def outcomes(python, tmp, module, traced, only=(), **more):
    """{test id: outcome}, and what was printed."""
    folder = tempfile.mkdtemp(dir=tmp)
    out = os.path.join(folder, 'outcome.json')
    env = dict(harness.trace_env(folder, **more) if traced else harness.clean_env(LD_PRELOAD=harness.built('truth/truth.so')),
               PYTHONHASHSEED='0', TMPDIR=folder, HOME=folder)
    argv = [python.path, '-B', os.path.join(harness.HERE, 'lib', 'run_unittests.py'), out, module] + list(only)
    done = harness.run(argv, folder, env, timeout=LIMIT, cwd=folder)
    text = done.err
    if not os.path.exists(out):
        raise AssertionError('%s %s: the run ended with %d: %s' % (
            'traced' if traced else 'untraced', module, done.returncode, text.strip()[-400:]))
    with open(out) as f:
        found = json.load(f)
    if traced:
        for trace in done.traces[:3]:
            harness.report('info', trace)
    shutil.rmtree(folder, ignore_errors=True)
    return found, text


def compare(python, tmp, module, **env):
    """`env`: more of the tracer's variables."""
    if not python.has('test.' + module):
        raise harness.Skip('%s is not shipped with this interpreter' % module)
    plain, _ = outcomes(python, tmp, module, False)
    if not plain:
        raise harness.Skip('%s has no tests here' % module)
    traced, text = outcomes(python, tmp, module, True, **env)
    other = {t for t in set(plain) | set(traced) if plain.get(t) != traced.get(t)}
    for _ in range(3):
        # Tests that race with the clock fail now and then by themselves: those that differ get three more chances.
        if not other:
            return
        plain, _ = outcomes(python, tmp, module, False, other)
        again, text = outcomes(python, tmp, module, True, other, **env)
        other = {t for t in other if plain.get(t) != again.get(t)}
    if other:
        name = sorted(other)[0]
        at = text.find(name.rsplit('.', 1)[-1])
        raise AssertionError('%d tests differ: %s is %s, traced %s: %s' % (
            len(other), name, plain.get(name), again.get(name), ' '.join(text[at:at + 1500].split())[-500:]))


@harness.cases(*SHORT)
@harness.spread(1)
@harness.timeout(2 * LIMIT)
def test_short(python, tmp, case):
    compare(python, tmp, case)


@harness.cases(*LONG)
@harness.timeout(6 * LIMIT)
@harness.first
def test_long(python, tmp, case):
    shipped = [p for p in harness.PYTHONS if p.implementation == 'cpython']
    one = shipped[-1 - LONG.index(case) % len(shipped)]  # each on another interpreter
    if not harness.FULL and python.path != one.path:
        raise harness.Skip('a long test of CPython: on one interpreter only, on all with --full')
    for module in [case] if harness.FULL else PARTS.get(case, [case]):
        compare(python, tmp, module)
