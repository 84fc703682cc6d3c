# SPDX-License-Identifier: Apache-2.0
"""Who ran: `sites --by task` and `--by thread` give what each task, greenlet and thread made, to the byte."""
import json
import os
import re
import signal

import harness

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
HERE = os.path.dirname(os.path.abspath(__file__))


def run(python, tmp, name, *args, site=False, status=0):
    """Runs tests/who/NAME.py traced. Returns Done, and what each of its processes said: {pid: {key: (bytes, blocks)}}."""
    argv = [python.path, '-B'] + ([] if site else ['-S']) + [os.path.join(HERE, 'who', name + '.py')] + list(args)
    done = harness.run_traced(argv, tmp, {'TRUTH_HELPER': harness.built('truth/truth.so')})
    assert done.returncode == status, done.err[-1500:]
    said = [json.loads(line) for line in done.out.split('\n') if line.startswith('{')]
    return done, {s['pid']: {k: tuple(v) for k, v in s['rows'].items()} for s in said}


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


def name_of(thread):
    return re.sub(r' \(tid \d+\)$', '', thread)


def threads_of(trace):
    sums = {}
    for r in rows_by('thread', trace):
        a, b = sums.get(name_of(r['thread']), (0, 0))
        sums[name_of(r['thread'])] = (a + r['bytes'], b + r['blocks'])
    return sums


def differences(got, want):
    return {k: (got.get(k), want.get(k)) for k in set(got) | set(want) if got.get(k) != want.get(k)}


def need_tasks(python):
    if python.free_threaded and python.minor < (3, 14):
        raise harness.Skip('free-threaded 3.13 keeps the running tasks in a dict that all threads change')


def test_asyncio(python, tmp):
    need_tasks(python)
    done, said = run(python, tmp, 'tasks')
    want = said[done.pid]
    got, counts = tasks_of(done.trace)
    assert not differences(got, want), differences(got, want)
    assert counts['(Serving.request)'] == 900, counts


def test_threads(python, tmp):
    done, said = run(python, tmp, 'threads')
    got, want = threads_of(done.trace), said[done.pid]
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
    done, said = run(python, tmp, 'greenlets', site=True)
    got, want = tasks_of(done.trace)[0], said[done.pid]
    assert not differences(got, want), differences(got, want)


def test_gevent(python, tmp):
    if not python.has('gevent'):
        raise harness.Skip('no gevent for this interpreter')
    done, said = run(python, tmp, 'gevents', site=True)
    want = said[done.pid]
    got = {k: v for k, v in tasks_of(done.trace)[0].items() if k in want or k.startswith(('job', '(bare', '(work'))}
    assert not differences(got, want), differences(got, want)


def test_uvloop(python, tmp):
    if not python.has('uvloop'):
        raise harness.Skip('no uvloop for this interpreter')
    done, said = run(python, tmp, 'uvloops', site=True)
    got, want = tasks_of(done.trace)[0], said[done.pid]
    got.pop('(main)', None)  # gather() in uvloop's own code
    assert not differences(got, want), differences(got, want)


@harness.cases('task', 'thread')
def test_fork(python, tmp, case):
    if case == 'task':
        need_tasks(python)
    done, said = run(python, tmp, 'forks', case)
    assert len(said) == 2, said
    for pid, want in said.items():
        rows = rows_by(case, done.trace_of(pid), 'reserve')
        got = {r['task'] and r['task']['name'] if case == 'task' else name_of(r['thread']): r['bytes'] for r in rows}
        want = {None if k == 'null' else k: v[0] for k, v in want.items()}
        assert got == want, (pid, got, want)


def test_killed(python, tmp):
    need_tasks(python)
    done, said = run(python, tmp, 'killed', status=-signal.SIGKILL)
    want = said[done.pid]
    assert tasks_of(done.trace)[0]['task'] == want['task'], (tasks_of(done.trace), want)
    assert 'thread' in threads_of(done.trace), threads_of(done.trace)
