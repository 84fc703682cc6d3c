# SPDX-License-Identifier: Apache-2.0
"""Truth programs: for each, the report equals what the program knows, to the byte, the line and (from 3.11) the column."""
import glob
import os
import signal
import subprocess

import harness
import tracefile
import truths

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
PLAIN = ['malloc_family', 'frees', 'realloc_chain', 'failures', 'mappings', 'py_domains', 'objects_plain', 'containers',
         'generators', 'coroutines', 'exceptions', 'functions', 'made_code', 'long_code', 'columns', 'names_ünï',
         'threads_join', 'threads_many', 'threads_handover', 'threads_daemon', 'signals', 'collector', 'imported',
         'py_mmap', 'stack_offsets']


@harness.cases(*PLAIN)
def test_program(python, tmp, case):
    truths.check_program(python, tmp, case, processes=1)


@harness.cases(20, 200, 900)
def test_recursion(python, tmp, case):
    truths.check_program(python, tmp, 'recursion', [str(case)])


def test_greenlets(python, tmp):
    if not python.has('greenlet'):
        raise harness.Skip('no greenlet for this interpreter')
    truths.check_program(python, tmp, 'greenlets')


def test_peak(python, tmp):
    done = truths.run_program(python, tmp, 'peak')
    truth = truths.merge(truths.spoken(done.out)[done.pid])
    truths.compare(truth, done.trace, python)
    doc = harness.report('sites', '--metric', 'peak', '--by', 'line', '--top', '0', '--layer', 'malloc', done.trace)
    got = {r['site']['line']: (r['peak_bytes'], r['peak_blocks']) for r in doc['rows']
           if r['site'] and truths.same_file(r['site']['file'] or '', 'peak.py')}
    lines = sorted({s[1] for s in truth['sites']})
    want = {lines[0]: (1 << 20, 1), lines[1]: (200 << 20, 1), lines[2]: (1 << 20, 16)}
    assert {k: v for k, v in got.items() if v[0] >= 1 << 16} == want, (got, want)


# ---- other allocators ----

ALLOCATORS = ['PYTHONMALLOC=debug', 'PYTHONMALLOC=malloc', 'PYTHONMALLOC=malloc_debug', 'PYTHONMALLOC=mimalloc', '-X dev']


@harness.spread(2)
@harness.cases(*['%s %s' % (a, n) for a in ALLOCATORS for n in ('py_domains', 'objects_plain', 'containers')])
def test_allocator(python, tmp, case):
    setting, name = case.rsplit(' ', 1)
    if 'mimalloc' in setting and python.minor < (3, 13):
        raise harness.Skip('mimalloc came with 3.13')
    if '=malloc' in setting and python.free_threaded:
        raise harness.Skip('free-threaded builds refuse PYTHONMALLOC=malloc')
    options = setting.split() if setting.startswith('-') else []
    env = {} if options else dict([setting.split('=')])
    env['PYTHONWARNINGS'] = 'ignore'
    truths.check_program(python, tmp, name, env=env, options=options)


# ---- processes ----

def test_fork_tree(python, tmp):
    done = truths.check_program(python, tmp, 'fork_tree', processes=15)
    assert len(done.traces) == 15


def test_fork_inherit(python, tmp):
    truths.check_program(python, tmp, 'fork_inherit', processes=2)


def test_fork_child_knows_its_parent(python, tmp):
    done = truths.run_program(python, tmp, 'fork_inherit')
    child = [t for t in done.traces if t != done.trace]
    front = tracefile.TraceFile(child[0]).front
    parent = tracefile.TraceFile(done.trace)
    assert front['parent_id'] == parent.front['id'] and front['parent_file'] == os.path.basename(done.trace)
    forks = [e[2] for e in parent.events() if e[1] == 131]
    assert front['fork_serial'] in forks, (front['fork_serial'], forks)
    children = harness.report('info', done.trace)['children']
    assert any(os.path.basename(str(c.get('file'))) == os.path.basename(child[0]) or c.get('pid') == front['pid']
               for c in children), children


def test_exec(python, tmp):
    done = truths.run_program(python, tmp, 'exec_other')
    said = truths.spoken(done.out)[done.pid]
    assert len(said) == 2 and len(done.traces) == 2, 'two programs, %s' % done.traces
    traces = sorted(done.traces, key=lambda t: tracefile.TraceFile(t).front['start_mono_ns'])
    for truth, trace in zip(said, traces):
        truths.compare(truth, trace, python)
    assert harness.report('info', traces[0])['ended'] == 'exec'


@harness.cases('subprocess', 'fork', 'spawn', 'forkserver')
@harness.spread(3)
@harness.timeout(240)
def test_children(python, tmp, case):
    done = truths.check_program(python, tmp, 'children', [case])
    assert len(truths.spoken(done.out)) == 4
    names = [os.path.basename(t) for t in done.traces]
    assert not [n for n in names if n.startswith(('true', 'sh.', 'dash', 'echo'))], names


# ---- ends ----

ENDS = {'_exit': (7, 'exit', 7), 'sys.exit': (3, 'exit', 3), 'sys.exit-text': (1, 'exit', 1), 'exception': (1, 'exit', 1),
        'normal': (0, 'exit', 0), 'interrupt': (-signal.SIGINT, None, None), 'abort': (-signal.SIGABRT, None, None),
        'segv': (-signal.SIGSEGV, None, None), 'SIGTERM': (-signal.SIGTERM, None, None),
        'SIGKILL': (-signal.SIGKILL, 'killed', None)}


@harness.cases(*ENDS)
@harness.spread(3)
def test_end(python, tmp, case):
    status, ended, exit_status = ENDS[case]
    if python.minor < (3, 8):
        raise harness.Skip('exit status after SIGINT differs')
    done = truths.check_program(python, tmp, 'ends', [case], status=status)
    info = harness.report('info', done.trace)
    if ended:
        assert info['ended'] == ended, info['ended']
        assert info['complete'] == (ended == 'exit'), info
    if exit_status is not None:
        assert info['exit_status'] == exit_status, info['exit_status']
    if ended is None:
        assert info['ended'] in ('signal', 'killed'), info['ended']


# ---- embedding ----

def linked(library, tmp):
    """The same program, but the library is loaded with it."""
    path = os.path.join(tmp, 'embed')
    source = os.path.join(harness.HERE, 'truth', 'embed.c')
    subprocess.run([os.environ.get('CC', 'cc'), source, '-o', path, '-Wl,--no-as-needed', library,
                    '-Wl,-rpath,' + os.path.dirname(library), '-ldl'], check=True, stdin=subprocess.DEVNULL)
    return path


@harness.cases('LOCAL', 'GLOBAL', 'linked', 'by its bare name')
@harness.spread(3)
def test_embedded_twice(python, tmp, case):
    if not python.shared:
        raise harness.Skip('a static interpreter: no libpython to embed')
    library = os.path.join(python.libdir, python.ldlibrary)
    assert os.path.exists(library), library
    script = os.path.join(tmp, 'script.py')
    with open(script, 'w') as f:
        f.write('import sys\nkept = [bytes(12345) for i in range(%d)]\n'
                'sys.setswitchinterval(0.005)\nprint(len(kept))\n' % 11)
    env = {'PYTHONHOME': python.prefix, 'PYTRACE_PROGRAMS': 'embed'}
    program = linked(library, tmp) if case == 'linked' else harness.built('truth/embed')
    if case == 'by its bare name':
        env['LD_LIBRARY_PATH'], library, case = os.path.dirname(library), os.path.basename(library), 'GLOBAL'
    done = harness.run_traced([program, library, case, script, script], tmp, env).check()
    t = tracefile.TraceFile(done.trace)
    size = 12345 + (49 if python.free_threaded else 33)
    events = [(op, b) for _, op, _, b, _, _ in t.events() if op in (tracefile.PY_INIT, tracefile.PY_FINI) or
              (op == 4 and b == size)]
    ops = [op for op, _ in events]
    assert ops == ([tracefile.PY_INIT] + [4] * 11 + [tracefile.PY_FINI]) * 2, ops
    stacks = {t.stack(stack)[0][1] for _, op, _, b, stack, _ in t.events() if op == 4 and b == size}
    assert stacks == {2}, stacks
    doc = harness.report('sites', '--layer', 'object', '--top', '0', done.trace)
    live = [r['bytes'] for r in doc['rows'] if r['site'] and r['site']['line'] == 2 and r['site']['file'] == '<string>']
    assert sum(live) >= 11 * size, live
