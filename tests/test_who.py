# SPDX-License-Identifier: Apache-2.0
"""Who ran: `sites --by task` and `--by thread` give what each task, greenlet and thread made, to the byte."""
import json
import os
import re

import harness

HERE = os.path.dirname(os.path.abspath(__file__))


def run(python, tmp, name, *args, site=False, env=None):
    environment = dict({'TRUTH_HELPER': harness.built('truth/truth.so')}, **(env or {}))
    argv = [python.path, '-B'] + ([] if site else ['-S']) + [os.path.join(HERE, 'who', name + '.py')] + list(args)
    done = harness.run_traced(argv, tmp, environment)
    assert done.returncode == 0, done.err[-1500:]
    truth = json.loads(done.out.strip().split('\n')[-1] if isinstance(done.out, str) else done.out.strip().split(b'\n')[-1])
    return done, {k: tuple(v) for k, v in truth['rows'].items()}


def rows_by(by, trace, layer='malloc'):
    return harness.report('sites', '--by', by, '--metric', 'total', '--top', '0', '--layer', layer, trace)['rows']


def tasks_of(trace):
    """{name, or (function): (bytes, blocks)}, {the same: how many tasks}."""
    sums, counts = {}, {}
    for r in rows_by('task', trace):
        task = r['task']
        if task:
            key = task['name'] or '(%s)' % task['function']
            sums[key], counts[key] = (r['bytes'], r['blocks']), task['tasks']
    return sums, counts


def differences(got, want):
    return {k: (got.get(k), want.get(k)) for k in set(got) | set(want) if got.get(k) != want.get(k)}


def test_asyncio(python, tmp):
    if python.free_threaded and python.minor < (3, 14):
        raise harness.Skip('free-threaded 3.13 keeps the running tasks in a dict that all threads change')
    done, want = run(python, tmp, 'tasks')
    got, counts = tasks_of(done.trace)
    assert not differences(got, want), differences(got, want)
    assert counts['(Serving.request)'] == 900, counts


def test_threads(python, tmp):
    done, want = run(python, tmp, 'threads')
    got = {}
    for r in rows_by('thread', done.trace):
        name = re.sub(r' \(tid \d+\)$', '', r['thread'])
        a, b = got.get(name, (0, 0))
        got[name] = (a + r['bytes'], b + r['blocks'])
    main = 'main thread' if python.free_threaded else 'the main thread'
    assert main in got, sorted(got)
    del got[main]
    got.pop('first', None)
    idle = got.pop('idle', (0, 0))  # glibc takes some blocks for whoever asks where his stack is, as 3.14 does
    for name in got:
        if not name.startswith('in C'):
            got[name] = tuple(a - b for a, b in zip(got[name], idle))
    if python.free_threaded:  # names are read there only where no other thread may be changing them
        got = {k: v for k, v in got.items() if k in want}
        want = {k: v for k, v in want.items() if not k.startswith('Dummy')}
    assert not differences(got, want), differences(got, want)


def test_greenlets(python, tmp):
    if not python.has('greenlet'):
        raise harness.Skip('no greenlet for this interpreter')
    done, want = run(python, tmp, 'greenlets', site=True)
    got, counts = tasks_of(done.trace)
    assert not differences(got, want), differences(got, want)


def test_gevent(python, tmp):
    if not python.has('gevent'):
        raise harness.Skip('no gevent for this interpreter')
    done, want = run(python, tmp, 'gevents', site=True)
    got = {k: v for k, v in tasks_of(done.trace)[0].items() if k in want or k.startswith(('job', '(bare', '(work'))}
    assert not differences(got, want), differences(got, want)
