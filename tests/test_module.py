# SPDX-License-Identifier: Apache-2.0
"""`import libpytrace` in a traced program: marks, regions, snapshots, watches; and the package that does nothing."""
import json
import os
import subprocess
import sys
import zipfile

import harness
import snapshots
import tracefile

FOLDER = os.path.join(harness.HERE, 'module')
PACKAGE = os.path.join(harness.TOP, 'python')
INTERPRETERS = 'try:\n    import _interpreters as interps\nexcept ImportError:\n    import _xxsubinterpreters as interps\n'


def script(tmp, text, name='script.py'):
    path = os.path.join(tmp, name)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return path


QUICK = {'PYTRACE_NATIVE': '0', 'PYTRACE_SNAPSHOT': 'call'}


def traced(python, tmp, text, *options, env=None):
    return harness.run_traced([python.path, '-B'] + list(options) + [script(tmp, text)], tmp, dict(QUICK, **(env or {}))).check()


def marks(trace):
    """[(thread, label)], in order."""
    t = tracefile.TraceFile(trace)
    return [(thread, t.strings[a]) for thread, op, a, _, _, _ in t.events() if op == tracefile.MARK]


def labels(trace):
    return [label for _, label in marks(trace)]


# ---- what the program sees ----

def test_module_and_package_look_and_behave_the_same(python, tmp):
    path = os.path.join(FOLDER, 'behave.py')
    done = harness.run_traced([python.path, '-B', path], tmp, QUICK).check()
    alone = harness.run([python.path, '-B', path], tmp, harness.clean_env(PYTHONPATH=PACKAGE)).check()
    built_in, package = json.loads(done.out), json.loads(alone.out)
    assert built_in == package, {k: (v, package.get(k)) for k, v in built_in.items() if v != package.get(k)}
    assert set(built_in['wrong']) == {'TypeError'} and all(built_in['docs'].values()), built_in
    assert built_in['signatures'] == {'mark': '(label)', 'snapshot': '(label=None)', 'watch': '(object)', 'flush': '()',
                                      'start': '()', 'stats': '()', 'stop': '()', 'region': '(label)'}, built_in['signatures']
    assert built_in['cycles'] == 0 or python.free_threaded, built_in['cycles']
    version = subprocess.run([harness.PYTRACE, '--version'], stdout=subprocess.PIPE).stdout.decode().split()[-1]
    assert built_in['version'] == version, (built_in['version'], version)


def test_stub_has_the_same_names(tmp):
    import ast
    with open(os.path.join(PACKAGE, 'libpytrace', '__init__.pyi')) as f:
        stub = ast.parse(f.read())
    with open(os.path.join(PACKAGE, 'libpytrace', '__init__.py')) as f:
        package = ast.parse(f.read())

    def shape(tree):
        found = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith('_'):
                found[node.name] = [a.arg for a in node.args.args]
            elif isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
                found[node.name] = sorted(n.name for n in node.body if isinstance(n, ast.FunctionDef) and n.name != '__repr__')
        return found
    assert shape(stub) == shape(package) and 'region' in shape(stub), (shape(stub), shape(package))
    assert os.path.exists(os.path.join(PACKAGE, 'libpytrace', 'py.typed'))
    with open(os.path.join(PACKAGE, 'pyproject.toml')) as f, open(os.path.join(harness.TOP, 'meson.build')) as m:
        version = m.read().split("version: '")[1].split("'")[0]
        assert 'version = "%s"' % version in f.read(), version


@harness.spread(4)
def test_one_more_name_among_the_builtin_modules_is_all_that_is_seen(python, tmp):
    text = ('import sys\nprint([n for n in sys.builtin_module_names if n != %r])\nprint(sorted(sys.modules), sys.flags, '
            'len(sys.meta_path), len(sys.path_hooks))\nprint(%r in sys.builtin_module_names)\n')
    done = traced(python, tmp, text % ('libpytrace', 'libpytrace'))
    alone = harness.run([python.path, '-B', script(tmp, text % ('libpytrace', 'sys'))], tmp).check()
    assert done.out == alone.out


def test_the_gil_stays_off(python, tmp):
    if not python.free_threaded:
        raise harness.Skip('has a GIL')
    done = traced(python, tmp, 'import sys, libpytrace\nlibpytrace.mark("a")\nprint(sys._is_gil_enabled())', '-W', 'error')
    assert done.out == 'False\n' and not done.err, (done.out, done.err)


# ---- how it is imported ----

@harness.cases('-I', '-S', '-E', '-X importtime', '-m')
@harness.spread(2)
def test_import_with(python, tmp, case):
    text = 'import libpytrace\nlibpytrace.mark("here")\n'
    options = {'-m': ['-m', 'script']}.get(case) or case.split() + [script(tmp, text)]
    script(tmp, text)
    done = harness.run_traced([python.path, '-B'] + options, tmp, cwd=tmp).check()
    assert labels(done.trace) == ['here']


@harness.spread(2)
def test_import_in_a_zipapp(python, tmp):
    path = os.path.join(tmp, 'app.pyz')
    with zipfile.ZipFile(path, 'w') as z:
        z.writestr('__main__.py', 'import part')
        z.writestr('part.py', 'import libpytrace\nlibpytrace.mark("zipped")\n')
    assert labels(harness.run_traced([python.path, path], tmp).check().trace) == ['zipped']


def test_import_finds_the_builtin_before_the_package(python, tmp):
    done = traced(python, tmp, 'import libpytrace\nprint(libpytrace)', env={'PYTHONPATH': PACKAGE})
    assert done.out == "<module 'libpytrace' (built-in)>\n", done.out


@harness.cases('PYTRACE_MODE=off', 'PYTRACE_PROGRAMS=other', 'PYTRACE_OUTPUT=/dev/null/x')
@harness.spread(2)
def test_nothing_is_recorded_and_nothing_fails(python, tmp, case):
    name, _, value = case.partition('=')
    done = traced(python, tmp, 'import libpytrace\nlibpytrace.mark("a")\nwith libpytrace.region("r"): pass\n'
                  'print(libpytrace.snapshot("s"), libpytrace.watch([]), libpytrace.flush())\n'
                  's = libpytrace.stats()\nprint(s["recording"], s["mode"], s["events"], s["file_bytes"])', env={name: value})
    assert done.out == 'None False None\nFalse off 0 0\n', done.out
    assert not [t for t in done.traces if '/script.' in t], done.traces


def test_subinterpreters(python, tmp):
    text = INTERPRETERS + '''
import sys, libpytrace
def create(own):
    if sys.version_info >= (3, 13):
        return interps.create('isolated' if own else 'legacy')
    return interps.create(isolated=own) if sys.version_info >= (3, 10) else interps.create()
libpytrace.mark('main')
for turn in range(2):
    for own in (True, False):
        i = create(own)
        said = interps.run_string(i, """if True:
            import libpytrace
            libpytrace.mark('sub')
            with libpytrace.region('r'): kept = bytearray(54321)
            assert repr(libpytrace.region('x')) == "libpytrace.region('x')"
            try: libpytrace.mark(1)
            except TypeError: libpytrace.mark('refused')
            libpytrace.region('f')(len)([])
        """)
        assert said is None, said
        interps.destroy(i)
libpytrace.mark('again')
'''
    done = traced(python, tmp, text)
    assert labels(done.trace) == ['main'] + ['sub', 'refused'] * 4 + ['again'], labels(done.trace)
    doc = harness.report('sites', '--region', 'r', '--metric', 'total', '--top', '0', done.trace)
    assert doc['region'] == {'label': 'r', 'times': 4}
    assert sum(r['total_bytes'] // 54321 for r in doc['rows']) == 4, doc['rows']


@harness.cases('LOCAL', 'GLOBAL')
@harness.spread(3)
def test_interpreters_that_are_initialised_again(python, tmp, case):
    if not python.shared:
        raise harness.Skip('a static interpreter: no libpython to embed')
    path = script(tmp, 'import libpytrace\nlibpytrace.mark("life")\nR = libpytrace.region("r")\nwith R: pass\n')
    library = os.path.join(python.libdir, python.ldlibrary)
    done = harness.run_traced([harness.built('truth/embed'), library, case, path, path, path], tmp,
                              {'PYTHONHOME': python.prefix, 'PYTRACE_PROGRAMS': 'embed'}).check()
    assert labels(done.trace) == ['life'] * 3
    assert harness.report('info', done.trace)['regions'] == [{'label': 'r', 'times': 3}]


# ---- marks ----

TEXTS = ['plain', '', 'na\u00efve', '\u20ac', '\U0001f40d', 'a' * 1024, 'zero\0within', 'line\nbreak']


@harness.spread(4)
def test_marks_are_in_order_with_their_texts(python, tmp):
    done = traced(python, tmp, '''
import libpytrace
class Text(str): pass
for text in %r: libpytrace.mark(text)
libpytrace.mark(Text('of a class'))
libpytrace.mark(Text('na\\u00efve'))
libpytrace.mark('a' * 1023 + '\\u20ac')
libpytrace.mark(Text('a' * 1023 + '\\u20ac'))
libpytrace.mark('half \\ud83d')
for i in range(10000): libpytrace.mark('number %%d' %% i)
libpytrace.mark('plain')
''' % (TEXTS,))
    got = labels(done.trace)
    want = TEXTS + ['of a class', 'na\u00efve', 'a' * 1023, 'a' * 1023, 'half \ufffd'] + ['number %d' % i for i in range(10000)] + ['plain']
    assert got == want, [(g, w) for g, w in zip(got, want) if g != w][:3]
    doc = harness.report('info', done.trace)
    assert [m['label'] for m in doc['marks']] == [w.split('\0')[0] for w in want]


@harness.spread(4)
def test_marks_of_threads_and_forks(python, tmp):
    done = traced(python, tmp, '''
import libpytrace, os, threading
def run(n):
    for i in range(300): libpytrace.mark('%d %d' % (n, i))
libpytrace.mark('before')
threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
for t in threads: t.start()
for t in threads: t.join()
pid = os.fork()
libpytrace.mark('child' if not pid else 'parent')
libpytrace.mark('before')
if not pid: os._exit(0)
os.waitpid(pid, 0)
print(pid)
''', env={'PYTHONWARNINGS': 'ignore'})
    by_thread = {}
    for thread, label in marks(done.trace):
        by_thread.setdefault(thread, []).append(label)
    own = by_thread.pop(1)
    assert own == ['before', 'parent', 'before'], own
    assert sorted(by_thread.values(), key=lambda v: int(v[0][0])) == [['%d %d' % (n, i) for i in range(300)] for n in range(6)]
    assert labels(done.trace_of(int(done.out))) == ['child', 'before']


@harness.spread(5)
def test_marks_cost_no_memory(python, tmp):
    """Not a block between two marks, none after a hundred thousand; nor in the tracer."""
    done = traced(python, tmp, '''
import libpytrace, sys
def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4096
def work(n, mark, region):
    for i in range(n):
        mark('label')
        with region: pass
mark, region, texts = libpytrace.mark, libpytrace.region('r'), ['t%d' % i for i in range(20000)]
def many():
    for t in texts: mark(t)
work(10, mark, region); many(); rss()
count = sys.getallocatedblocks
bytes, start, before = rss(), count(), count()
work(100000, mark, region); many(); many()
after = count()
print((after - before) - (before - start), rss() - bytes)
libpytrace.mark('a'); libpytrace.mark('b')
with region: pass
libpytrace.mark('c')
''')
    blocks, grown = map(int, done.out.split())
    assert blocks == 0 and grown < 1 << 20, (blocks, grown)
    t = tracefile.TraceFile(done.trace)
    events = [(op, t.strings.get(a)) for _, op, a, _, _, _ in t.events() if op not in (tracefile.TIME, tracefile.RUN)]
    at = events.index((tracefile.MARK, 'a'))
    begin = max(i for i, (op, _) in enumerate(events) if op == tracefile.REGION_BEGIN)
    end = max(i for i, (op, _) in enumerate(events) if op == tracefile.REGION_END)
    assert events[at + 1] == (tracefile.MARK, 'b'), events[at:at + 2]
    assert {op for op, _ in events[begin + 1:end]} <= {tracefile.FREE_OBJECT}, 'what called __enter__ may go: %s' % events[begin:end]


# ---- regions ----

def scoped(trace, option, label):
    """[bytes, blocks] that take() made within."""
    doc = harness.report('sites', option, label, '--metric', 'total', '--by', 'function', '--layer', 'malloc', '--top', '0', trace)
    rows = [r for r in doc['rows'] if r['site'] and r['site']['function'] == 'take']
    return [sum(r['bytes'] for r in rows), sum(r['blocks'] for r in rows)]


def test_regions_hold_what_was_made_within(python, tmp):
    done = harness.run_traced([python.path, '-B', os.path.join(FOLDER, 'regions.py')], tmp,
                              dict(QUICK, TRUTH_HELPER=harness.built('truth/truth.so'))).check()
    want = json.loads(done.out)
    if not any(op == tracefile.SWITCH for _, op, _, _, _, _ in tracefile.TraceFile(done.trace).events()):
        for needs_tasks in 'block', 'other':  # test_who.py says where tasks must be known
            del want[needs_tasks]
    for label, amount in want.items():
        option, name = ('--mark', label[5:]) if label.startswith('mark ') else ('--region', label)
        assert scoped(done.trace, option, name) == amount, (label, scoped(done.trace, option, name), amount)
    times = {r['label']: r['times'] for r in harness.report('info', done.trace)['regions']}
    assert times == {'starter': 1, 'shared': 160, 'within': 80, 'recursive': 4, 'numbers': 1, 'main': 1, 'coroutine': 3, 'block': 3,
                     'other': 1, 'agen': 1, 'raises': 1, 'unfinished': 1, 'nothing': 1, 'na\u00efve \u20ac': 1, 'left open': 1}, times
    nothing = harness.report('sites', '--region', 'nothing', '--metric', 'total', done.trace)
    assert nothing['rows'] == [] and nothing['region']['times'] == 1, 'entering and leaving allocate nothing'
    missing = harness.report('sites', '--region', 'none', done.trace)
    assert missing['rows'] == [] and missing['region'] == {'label': 'none', 'times': 0} and missing['mark'] is None


@harness.spread(3)
def test_nothing_outlives_the_with(python, tmp):
    done = traced(python, tmp, '''
import libpytrace
kept = []
def work(keep):
    for i in range(50):
        block = bytearray(6000 + i)  # here
        if keep: kept.append(block)
with libpytrace.region('warm'): work(False)
with libpytrace.region('clean'): work(False)
kept = [None] * 0; kept.extend(range(100)); kept.clear()
with libpytrace.region('leaky'): work(True)
''')
    def lines(region, command='sites', key='blocks'):
        doc = harness.report(command, '--region', region, '--top', '0', done.trace)
        return {(r['site'] or {}).get('line'): r[key] for r in doc['rows']}
    assert lines('clean') == {}, lines('clean')
    assert lines('leaky')[6] == 100, lines('leaky')
    lives = harness.report('lifetimes', '--region', 'clean', done.trace)
    assert lives['region'] == {'label': 'clean', 'times': 1}
    assert lives['processes'][0]['total']['alive_blocks' if 'alive_blocks' in lives['processes'][0]['total'] else 'alive'] in (0, {'bytes': 0, 'blocks': 0})


# ---- snapshots ----

def taken(trace):
    """[(number, reason, whether a mark stood just before, its label)], all of them complete."""
    t, found, last, out = tracefile.TraceFile(trace), snapshots.read(trace), None, []
    for _, op, a, b, _, _ in t.events():
        if op == 142:
            assert found[a].complete, a
            out.append((a, snapshots.REASONS[b], last))
        if op not in (tracefile.TIME, tracefile.RUN, 136):
            last = t.strings[a] if op == tracefile.MARK else None
    assert sorted(found) == [n for n, _, _ in out]
    return out


@harness.cases('exit', 'call', 'off', 'exit,call')
@harness.spread(3)
def test_snapshots_by_call(python, tmp, case):
    done = traced(python, tmp, '''
import gc, libpytrace, os, threading
class Kept: pass
kept = [Kept() for i in range(123)]
gc.disable()
print(libpytrace.snapshot('first'), libpytrace.snapshot(), libpytrace.snapshot(None))
answers = []
t = threading.Thread(target=lambda: answers.append(libpytrace.snapshot(label='thread')))
t.start(); t.join()
print(*answers)
class Late:
    def __del__(self): answers.append(libpytrace.snapshot('collecting'))
late = Late(); late.me = late; del late
answers.clear(); gc.collect()
print(answers[0], libpytrace.stats()['snapshots'])
os.register_at_fork(before=lambda: None)
pid = os.fork()
if not pid:
    print(libpytrace.snapshot('child'), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(pid)
''', '-S', env={'PYTRACE_SNAPSHOT': case, 'PYTHONWARNINGS': 'ignore'})
    lines, child = done.out.split('\n')[:4], done.trace_of(int(done.out.split()[-1]))
    calls = [(1, 'call', 'first'), (2, 'call', None), (3, 'call', None), (4, 'call', 'thread')]
    if case == 'off':
        assert lines == ['None None None', 'None', 'None 0', 'None'], lines
        assert taken(done.trace) == [] and taken(child) == []
        return
    assert lines == ['1 2 3', '4', 'None 4', '1'], lines
    ends = [(5, 'exit', None)] if 'exit' in case else []
    got = [(n, why, label if why == 'call' else None) for n, why, label in taken(done.trace)]
    assert got == calls + ends, got
    assert [t[:2] for t in taken(child)] == [(1, 'call')] + ([(2, 'exit')] if ends else []), taken(child)
    types = {t['type']: t['count'] for t in harness.report('objects', '--snapshot', '4', '--top', '0', done.trace)['types']}
    assert types['__main__.Kept'] == 123, types.get('__main__.Kept')


@harness.spread(3)
def test_snapshots_by_several_threads_at_once(python, tmp):
    done = traced(python, tmp, '''
import libpytrace, threading
numbers, lock = [], threading.Lock()
def run():
    for i in range(4):
        n = libpytrace.snapshot()
        with lock: numbers.append(n)
threads = [threading.Thread(target=run) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(numbers))
''', '-S', env={'PYTRACE_SNAPSHOT': 'call'})
    assert json.loads(done.out) == list(range(1, 17)), done.out
    assert [n for n, _, _ in taken(done.trace)] == list(range(1, 17))


# ---- watches ----

def test_watched_objects_have_their_changes(python, tmp):
    done = traced(python, tmp, '''
import libpytrace
class Watched: pass
w = Watched()
answer = libpytrace.watch(w)
print(answer, libpytrace.watch(w), libpytrace.stats()['watched'], libpytrace.stats()['watch_off'])
a = w    # taken
del a    # given
print(libpytrace.watch(Watched), libpytrace.watch(object=[]))
''')
    first, second = done.out.splitlines()
    if first.startswith('False'):
        raise harness.Skip('nothing can be watched here: ' + first.split(' ', 3)[3])
    assert first.split(' ', 2)[:2] == ['True', 'True'] and first.split()[2] == '1', first
    t = tracefile.TraceFile(done.trace)
    events = list(t.events())
    watch, = [b & 0xffffffff for _, op, _, b, _, _ in events if op == tracefile.WATCH][:1]
    lines = [t.stack(b >> 32)[0][1] for _, op, a, b, _, _ in events
             if op == tracefile.COUNT and a & 0xffffffff == watch and t.stack(b >> 32)]
    assert 7 in lines and (8 in lines or python.free_threaded), lines


# ---- flush, stats ----

@harness.spread(3)
def test_flushed_is_readable(python, tmp):
    path = script(tmp, 'import libpytrace, sys\nkept = bytearray(54321)\nlibpytrace.snapshot("s")\nlibpytrace.mark("last")\nlibpytrace.flush()\n'
                  'print(libpytrace.stats()["file"], flush=True)\nsys.stdin.read()\n')
    with subprocess.Popen([python.path, '-B', path], env=harness.trace_env(tmp, **QUICK), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        file = p.stdout.readline().decode().rstrip('\n')
        doc = harness.report('info', file)
        assert [m['label'] for m in doc['marks']] == ['s', 'last'] and doc['ended'] == 'running', doc['ended']
        assert [s['reason'] for s in doc['snapshots']] == ['call'], doc['snapshots']
        rows = harness.report('sites', '--top', '0', file)['rows']
        p.stdin.close()
        assert p.wait(60) == 0
    assert any(r['bytes'] >= 54321 and r['site'] and r['site']['line'] == 2 for r in rows)


RUNS = """
import libpytrace, sys
kept = [None] * 7
def runs(n):
    for _ in range(n):
        libpytrace.mark('run')
        kept[kept.index(None)] = bytes(5000)
    libpytrace.mark('end')
earlier = [bytes(7000) for _ in range(300)]
runs(3)
libpytrace.flush()
stats = libpytrace.stats()
runs(4)
del earlier
libpytrace.flush()
print(stats['file_bytes'], stats['file'], flush=True)
sys.stdin.read()
"""


@harness.spread(3)
def test_flushed_runs_need_not_be_read_again(python, tmp):
    with subprocess.Popen([python.path, '-B', script(tmp, RUNS)], env=harness.trace_env(tmp, **QUICK), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as p:
        since, file = p.stdout.readline().decode().split()
        docs = [harness.report('repeats', '--begin', 'run', '--end', 'end', '--since', n, file) for n in ('0', since)]
        p.stdin.close()
        assert p.wait(60) == 0
    for doc, n in zip(docs, (7, 4)):
        assert len(doc['runs']) == n, doc['runs']
        row, = [r for r in doc['rows'] if r['site']['line'] == 7]
        assert row['rise_bytes'] == [5000 + sys.getsizeof(b'')] * n and row['site']['function'] == 'runs', row


@harness.spread(3)
def test_stats_are_true(python, tmp):
    done = traced(python, tmp, '''
import json, libpytrace
libpytrace.stats()
s = libpytrace.stats(); libpytrace.mark('one')
libpytrace.flush()
u = libpytrace.stats(); libpytrace.mark('two')
print(json.dumps([s, u]))
''')
    t, seen = tracefile.TraceFile(done.trace), {}
    events = [e for e in t.events()]
    for i, (_, op, a, _, _, _) in enumerate(events):
        if op == tracefile.MARK:
            seen[t.strings[a]] = i
    for stats, label in zip(json.loads(done.out), ('one', 'two')):
        assert stats['file'] == done.trace and stats['mode'] == 'full' and stats['recording'] is True
        assert stats['lost'] == 0 and stats['snapshots'] == 0 and stats['watched'] == 0 and stats['watch_off'] is None, stats
        assert 0 < stats['file_bytes'] < 1 << 26
        made = seen[label] - stats['events']
        assert 0 <= made < 40, (made, 'the dict and its numbers are made after they were counted')
