# SPDX-License-Identifier: Apache-2.0
"""Stacks of Python and of machine code: in the right order, leaks in C by their C line, and nothing of it in the way of those
who only know Python."""
import os
import re
import shutil

import harness
import merged
import tracefile

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
HERE = os.path.join(harness.HERE, 'stacks')
N = 3000


def marked(name):
    """The lines of a source with a comment that is one word or two: {'leak': 11}."""
    with open(os.path.join(HERE, name)) as f:
        lines = [line.rstrip().rstrip('*/ ').replace('//', '#').replace('/*', '#') for line in f]
    return {line.rsplit('#', 1)[1].strip(): n for n, line in enumerate(lines, 1) if '#' in line}


def build(python, tmp, how):
    """The extension modules beside a copy of the program. Returns the program's path."""
    for name in '_leaky.c', '_boxes.cc':
        out = os.path.join(tmp, name.split('.')[0] + '.so')
        harness.extension(python, out, os.path.join(HERE, name), *([] if how == 'lines' else ['-g0']))
        if how == 'stripped':
            harness.run(['strip', out]).check()
    shutil.copy(os.path.join(HERE, 'program.py'), tmp)
    return os.path.join(tmp, 'program.py')


def trace(python, tmp, how, **env):
    program = build(python, tmp, how)
    done = harness.run_traced([python.path, '-B', program], tmp, env).check()
    assert done.out == 'done\n', done.out
    return done.trace, program


def short(frame):
    """How the tests write a frame: "leak program.py:21", "copy _leaky.so"."""
    name = frame['function'].split('(')[0]
    if frame['file'] and frame['line']:
        return '%s %s:%d' % (name, os.path.basename(frame['file']), frame['line'])
    return '%s %s' % (name, os.path.basename(frame.get('module') or ''))


def sums(trace, *arguments):
    rows = harness.report('sites', '--layer', 'malloc', '--top', '0', *arguments, trace)['rows']
    return {short(r['site']): (r['live_bytes'], r['live_blocks']) for r in rows}


@harness.spread(3)
def test_leak_in_c_is_found_by_its_line(python, tmp):
    path, program = trace(python, tmp, 'lines')
    c, cxx, py = marked('_leaky.c'), marked('_boxes.cc'), marked('program.py')
    by_line = sums(path)
    assert by_line['copy _leaky.c:%d' % c['leak']] == (1000 * N, N), by_line
    assert by_line['twice_removed _leaky.c:%d' % c['inlined leak']] == (3000 * N, N), by_line
    # A vector that grows is the last thing that add() calls: the compiler makes it a jump, and add()'s frame is gone.
    strings = [v for s, v in by_line.items() if '_boxes.cc:' in s]
    assert sum(v[1] for v in strings) == N + 1 and sum(v[0] for v in strings) >= 501 * N, by_line
    assert by_line['boxes::box<std::string>::add _boxes.cc:%d' % cxx['add']][1] > N * 0.9, by_line
    assert not [s for s in by_line if 'program.py:%d' % py['leak'] in s], by_line
    doc = harness.report('leaks', path)
    assert {short(f['blame']) for f in doc['findings']} >= {
        'copy _leaky.c:%d' % c['leak'], 'twice_removed _leaky.c:%d' % c['inlined leak'],
        'boxes::box<std::string>::add _boxes.cc:%d' % cxx['add']}, [short(f['blame']) for f in doc['findings']]
    stacks = {short(f['site']): [short(s) for s in f['stack']] for f in doc['findings']}
    ends = ['work program.py:%d' % py['leak'], '<module> program.py:%d' % py['loop']]
    assert stacks['twice_removed _leaky.c:%d' % c['inlined leak']] == [
        'twice_removed _leaky.c:%d' % c['inlined leak'], 'keep _leaky.c:%d' % c['keep'],
        'leaky_leak _leaky.c:%d' % c['entrance']] + ends, stacks
    text = harness.pytrace('leaks', path).out
    assert '_leaky.c:%d in copy' % c['leak'] in text and 'void *p = malloc(n); /* leak */' in text, text[:3000]


@harness.spread(3)
@harness.cases('names', 'stripped')
def test_leak_in_c_without_lines_is_the_python_lines(python, tmp, case):
    path, program = trace(python, tmp, case)
    py = marked('program.py')
    by_line = sums(path)
    assert by_line['work program.py:%d' % py['leak']] == (4000 * N, 2 * N), by_line
    assert by_line['work program.py:%d' % py['add']][0] >= 501 * N, by_line
    rows = harness.report('sites', '--layer', 'malloc', '--top', '0', path)['rows']
    below = {short(r['site']): r['below'] for r in rows if r['below']}
    text = harness.pytrace('sites', path).out
    if case == 'names':
        assert below['work program.py:%d' % py['leak']]['function'] in ('keep', 'copy'), below
        assert below['work program.py:%d' % py['add']]['function'].startswith('boxes::'), below
        assert ' in _boxes.so)' in text or '_boxes.so)' in text, text
    stack = harness.report('sites', '--layer', 'malloc', '--by', 'stack', path)['rows'][0]['stack']
    assert stack[0]['language'] == 'native' and stack[0]['module'] and int(stack[0]['address'], 16) > 0, stack[0]


@harness.spread(3)
def test_callbacks_lie_between(python, tmp):
    path, program = trace(python, tmp, 'lines')
    c, py = marked('_leaky.c'), marked('program.py')
    rows = harness.report('sites', '--layer', 'object', '--by', 'stack', '--top', '0', path)['rows']
    stacks = {tuple(short(s) for s in r['stack']): r['live_blocks'] for r in rows if r['stack'] and r['live_blocks'] >= N * 0.9}
    outer = ('leaky_call _leaky.c:%d' % c['call'], 'work program.py:%d' % py['call'], '<module> program.py:%d' % py['loop'])
    inner = {s: n for s, n in stacks.items() if s[0] == 'inner program.py:%d' % py['string']}
    assert inner and all(s[2:] == outer and s[1].startswith('call_back _leaky.c:') for s in inner), stacks
    assert ('call_back _leaky.c:%d' % c['tuple'],) + outer in stacks, stacks  # but for what came from a free list


@harness.spread(3)
def test_internals_are_shown_when_asked_for(python, tmp):
    path, program = trace(python, tmp, 'lines')
    py = marked('program.py')

    def modules(*arguments):
        rows = harness.report('sites', '--by', 'stack', '--top', '0', *arguments, path)['rows']
        return rows, {os.path.basename(s['module']) for r in rows for s in r['stack'] if s.get('module')}

    folded, few = modules()
    whole, many = modules('--internals')
    holder = os.path.basename(os.path.realpath(python.ldlibrary if python.shared else python.path))
    holder = 'libpython' if python.shared else holder
    assert not [m for m in few if m.startswith(holder)] and [m for m in many if m.startswith(holder)], (few, many)
    assert len(whole) > len(folded)
    assert sum(r['bytes'] for r in whole) == sum(r['bytes'] for r in folded)
    strings = [r for r in whole if any(short(s) == 'inner program.py:%d' % py['string'] for s in r['stack'])]
    assert strings and all(r['stack'][0]['language'] == 'native' for r in strings)
    # Verdicts do not depend on what is shown.
    plain, all_of_it = (harness.report('leaks', *more, path) for more in ([], ['--internals']))
    assert [(f['blame'], f['bytes'], f['fingerprint']) for f in plain['findings']] == \
        [(f['blame'], f['bytes'], f['fingerprint']) for f in all_of_it['findings']]


# ---- against the other reader ----

PROGRAM = '''
import _thread
def key(x):
    kept.append([x])
    return -x
class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)
class Thing(metaclass=Meta):
    def __init__(self, n):
        self.n = [n]
    def __eq__(self, other):
        kept.append({self.n[0]: other})
        return False
    __hash__ = object.__hash__
def generate(n):
    if n:
        yield [n]
        yield from generate(n - 1)
def fail(n):
    return fail(n - 1) + [n] if n else [][n]
def work(n):
    kept.append(sorted(range(n), key=key))
    kept.append(list(map(Thing, range(n))))
    kept.append([Thing(1)].count(2))
    kept.append(list(generate(n)))
    try:
        kept.append(eval(compile('list(map(fail, [%d]))' % n, 'made', 'eval')))
    except IndexError as e:
        kept.append(e)
def run(n):
    try:
        work(n)
    finally:
        lock.release()
kept = []
lock = _thread.allocate_lock()
lock.acquire()
_thread.start_new_thread(run, (5,))
lock.acquire()
work(12)
'''


@harness.spread(3)
def test_merged_stacks_are_the_other_readers(python, tmp):
    program = os.path.join(tmp, 'program.py')
    with open(program, 'w') as f:
        f.write(PROGRAM)
    done = harness.run_traced([python.path, '-B', '-S', program], tmp).check()
    t = tracefile.TraceFile(done.trace)
    n = {layer: merged.compare(done.trace, t, layer) for layer in ('object', 'mem', 'malloc')}
    assert n['object'] > 100, n
    assert t.joins, 'no native stacks in the trace'


def test_without_native_frames_python_says_the_same(python, tmp):
    program = os.path.join(tmp, 'program.py')
    with open(program, 'w') as f:
        f.write(PROGRAM)
    said = []
    for native in '0', '1':
        folder = os.path.join(tmp, native)
        os.mkdir(folder)
        done = harness.run_traced([python.path, '-B', '-S', program], folder, {'PYTRACE_NATIVE': native}).check()
        rows = harness.report('sites', '--metric', 'total', '--top', '0', '--layer', 'object', done.trace)['rows']
        said.append({(r['site']['line'], r['site']['column'], r['site']['function']): (r['bytes'], r['blocks'])
                     for r in rows if r['site']['file'] == program})
    assert len(said[0]) > 15 and said[0] == said[1], set(said[0].items()) ^ set(said[1].items())


@harness.spread(2)
def test_callers_of_frames_that_vary_in_size(python, tmp):
    """Only the saved frame pointer leads to them, whichever function was called."""
    library = harness.compiled(os.path.join(tmp, 'frames.so'), 'cc', '-g', '-O2', '-shared', '-fPIC', os.path.join(HERE, '_frames.c'))
    text = 'import ctypes\nctypes.CDLL(%r).frames_outer(3)\n' % library
    done = harness.run_traced([python.path, '-B', '-S', '-c', text], tmp).check()
    seen = {}
    for line in harness.pytrace('export', done.trace).out.splitlines():
        names = re.findall(r'(?:;|^)(\w+) \([^;]*_frames\.c\)', line)
        if names:
            seen[[n for n in names if n.startswith('by_') and n != 'by_address'][-1]] = names[0]
    assert seen == {'by_' + name: 'frames_outer' for name in (
        'malloc', 'calloc', 'realloc', 'realloc_more', 'reallocarray', 'posix_memalign', 'aligned_alloc', 'memalign', 'mmap', 'mremap')}, seen
