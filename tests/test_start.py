# SPDX-License-Identifier: Apache-2.0
"""PYTRACE_START, libpytrace.start() and stop(): what is recorded is recorded exactly, and the rest is not claimed."""
import json
import os
import signal
import subprocess

import harness
import tracefile

STOPS = os.path.join(harness.HERE, 'module', 'stops.py')
QUICK = {'PYTRACE_SNAPSHOT': 'call', 'PYTRACE_NATIVE': '0'}


def helper():
    return harness.built('truth/truth.so')


def traced(python, tmp, text, env=None, **more):
    path = os.path.join(tmp, 'script.py')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return harness.run_traced([python.path, '-B', path], tmp, dict(QUICK, TRUTH_HELPER=helper(), **(env or {})), **more).check()


def functions(trace, layer='malloc', prefix='take'):
    """{function: (live bytes, live blocks, all blocks)} of those that the script calls take_..."""
    doc = harness.report('sites', '--metric', 'total', '--by', 'function', '--layer', layer, '--top', '0', trace)
    return {r['site']['function']: (r['live_bytes'], r['live_blocks'], r['total_blocks']) for r in doc['rows']
            if r['site'] and r['site']['function'].startswith(prefix)}


def why(trace):
    names = {tracefile.PAUSE: 'pause', tracefile.RESUME: 'resume'}
    return [(names[op], a) for _, op, a, _, _, _ in tracefile.TraceFile(trace).events() if op in names]


TAKE = '''
import ctypes, os, libpytrace
C = ctypes.CDLL(os.environ['TRUTH_HELPER'])
C.truth_malloc.restype = C.truth_resize.restype = ctypes.c_void_p
C.truth_malloc.argtypes, C.truth_resize.argtypes = (ctypes.c_size_t,), (ctypes.c_void_p, ctypes.c_size_t)
C.truth_free.argtypes, C.truth_free.restype = (ctypes.c_void_p,), None
'''
LIFE = TAKE + '''
def take_before(n): return C.truth_malloc(n)
def take_first(n): return C.truth_malloc(n)
def take_between(n): return C.truth_malloc(n)
def take_again(n): return C.truth_malloc(n)
def take_after(n): return C.truth_malloc(n)
def take_moved(p, n): return C.truth_resize(p, n)
take_before(1)
before = [take_before(1000 + i) for i in range(10)]
answers = [libpytrace.stop(), libpytrace.start()]
first = [take_first(2000 + i) for i in range(10)]
answers += [libpytrace.start(), libpytrace.stop(), libpytrace.stop()]
between = [take_between(3000 + i) for i in range(10)]
first[0] = C.truth_resize(first[0], 50000)      # stays what it was, with its new size
between[0] = C.truth_resize(between[0], 60000)  # stays unknown
for blocks in before, first, between: C.truth_free(blocks.pop())
C.truth_free(before.pop(0))
answers.append(libpytrace.start())
again = [take_again(4000 + i) for i in range(10)]
between[1] = take_moved(between[1], 70000)      # known from now on
for blocks in before, first, between, again: C.truth_free(blocks.pop())
answers.append(libpytrace.stop())
after = [take_after(5000 + i) for i in range(10)]
for blocks in before, first, between, again, after: C.truth_free(blocks.pop())
print(answers)
'''


def test_what_is_recorded_is_exact(python, tmp):
    idle = traced(python, os.path.join(tmp), LIFE, {'PYTRACE_START': '0'})
    assert idle.out == '[False, True, False, True, False, True, True]\n', idle.out
    first, again = [2000 + i for i in range(10)], [4000 + i for i in range(10)]
    alive = {'take_first': [50000] + first[1:7], 'take_again': again[:8], 'take_moved': [70000]}
    made = {'take_first': 11, 'take_again': 10, 'take_moved': 1}
    assert functions(idle.trace) == {k: (sum(v), len(v), made[k]) for k, v in alive.items()}, functions(idle.trace)
    assert why(idle.trace) == [('pause', 1), ('resume', 2), ('pause', 2), ('resume', 2), ('pause', 2)], why(idle.trace)
    live = [size for (layer, _), (size, _) in tracefile.replay(tracefile.TraceFile(idle.trace))[0].items() if size in sum(alive.values(), [])]
    assert sorted(live) == sorted(sum(alive.values(), [])), live
    doc = harness.report('info', idle.trace)
    assert [(s['started_by'], s['stopped_by']) for s in doc['recorded']['spans']] == [('call', 'call')] * 2, doc['recorded']
    assert 0 < doc['recorded']['recorded_s'] < doc['recorded']['of_s'] == doc['duration_s'], doc['recorded']
    assert doc['events']['unknown_frees'] == 0 and doc['events']['lost_frees'] == 0 and doc['events']['lost'] == 0, doc['events']
    assert doc['complete'] is True
    text = harness.pytrace('info', idle.trace).out
    assert '(2 spans)' in text and harness.pytrace('leaks', idle.trace).out.splitlines()[1].startswith('NOTE: recorded '), text


@harness.spread(4)
def test_what_was_recorded_before_a_stop_is_exact(python, tmp):
    done = traced(python, tmp, LIFE)
    assert done.out == '[True, True, False, True, False, True, True]\n', done.out
    assert functions(done.trace)['take_before'] == (sum(1000 + i for i in range(1, 7)) + 1, 7, 11), functions(done.trace)
    assert why(done.trace) == [('pause', 2), ('resume', 2)] * 2 + [('pause', 2)]


@harness.timeout(300)
@harness.spread(4)
def test_threads_that_start_and_stop(python, tmp):
    """A truth that is known whatever the threads do, over more pauses than have numbers."""
    done = harness.run_traced([python.path, '-B', STOPS, '3000', '560'], tmp, dict(QUICK, TRUTH_HELPER=helper())).check()
    said = json.loads(done.out)
    live, _, _ = tracefile.replay(tracefile.TraceFile(done.trace))
    sizes = [size for (layer, _), (size, _) in live.items() if layer == 1 and size >= 20000 and not size % 16]
    must, may = set(said['must']), set(said['may'])
    assert said['stops'] > 100 and must and len(sizes) == len(set(sizes)), (said['stops'], len(must))
    assert must <= set(sizes), 'missing: %s' % sorted(must - set(sizes))[:5]
    extra = set(sizes) - must - may
    assert not extra, 'not alive, or made while stopped: %s' % sorted(extra)[:5]
    rows = functions(done.trace, prefix='')
    assert sum(v[0] for k, v in rows.items() if k in ('take', 'resize')) == sum(sizes), rows
    events = harness.report('info', done.trace)['events']
    assert events['lost'] == 0 and events['lost_frees'] == 0, events


def test_never_started(python, tmp):
    done = traced(python, tmp, 'import sys\nkept = [bytearray(1000) for _ in range(5000)]\n', {'PYTRACE_START': '0', 'PYTRACE_SNAPSHOT': ''})
    doc = harness.report('info', '--require-complete', done.trace)
    assert doc['recorded']['spans'] == [] and doc['recorded']['recorded_s'] == 0 and doc['snapshots'] == [], doc['recorded']
    assert doc['events']['recorded'] < 2000, doc['events']
    said = 'nothing was recorded: PYTRACE_START said so'
    for command in 'info', 'leaks', 'sites', 'summary', 'timeline':
        text = ' '.join(harness.pytrace(command, done.trace).out.split())
        assert said in text, (command, text)
    assert harness.report('leaks', done.trace)['findings'] == []


@harness.spread(4)
def test_a_snapshot_of_what_is_not_recorded(python, tmp):
    done = traced(python, tmp, '''
import libpytrace
class Kept: pass
kept = [Kept() for _ in range(100)]
print(libpytrace.snapshot())
libpytrace.start()
more = [Kept() for _ in range(100)]
libpytrace.stop()
print(libpytrace.snapshot())
''', {'PYTRACE_START': '0', 'PYTRACE_SNAPSHOT': 'exit,every=1ms'})
    assert done.out.split()[0] == '1', done.out
    doc = harness.report('objects', '--snapshot', '1', '--top', '0', done.trace)
    assert [r['count'] for r in doc['types'] if r['type'] == '__main__.Kept'] == [100], doc['rows'][:3]
    assert harness.report('info', done.trace)['snapshots'][-1]['reason'] == 'exit'


@harness.cases('0,signal=USR1', 'signal=SIGUSR1', '1,signal=10')
@harness.spread(3)
def test_the_signal_starts_and_stops(python, tmp, case):
    done = traced(python, tmp, TAKE + '''
import signal, sys
def take_a(): C.truth_malloc(1001)
def take_b(): C.truth_malloc(1002)
def send(): os.kill(os.getpid(), signal.SIGUSR1)
print(signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, libpytrace.stats()['recording'])
take_a(); send(); take_b(); send(); take_a(); send(); take_b()
print(libpytrace.stats()['recording'])
libpytrace.start(); libpytrace.stop(); send()
print(libpytrace.stats()['recording'])
signal.signal(signal.SIGUSR1, lambda *a: print('theirs'))
send()
print(libpytrace.stats()['recording'])
''', {'PYTRACE_START': case, 'PYTRACE_SNAPSHOT': 'off'})
    begins = case.startswith('1')
    assert done.out.split() == ['True', str(begins), str(not begins), 'True', 'theirs', 'True'], done.out
    assert functions(done.trace) == ({'take_a': (2002, 2, 2)} if begins else {'take_b': (2004, 2, 2)}), functions(done.trace)
    assert ('resume', 3) in why(done.trace) and ('pause', 3) in why(done.trace)


@harness.cases('2', 'signal=', 'signal=KILL', '0,1', 'signal=USR1,signal=USR2', 'USR1', '0,', 'signal=USR2')
@harness.spread(1)
def test_wrong_values(python, tmp, case):
    env = {'PYTRACE_START': case, 'PYTRACE_SNAPSHOT': 'signal=USR2'}
    done = harness.run_traced([python.path, '-c', 'print(1)'], tmp, env).check()
    assert done.out == '1\n' and done.err.startswith('pytrace: ') and done.err.count('\n') == 1 and not done.traces, done.err


@harness.spread(4)
def test_forks_inherit_the_state_and_execs_read_the_variable(python, tmp):
    done = traced(python, tmp, TAKE + '''
import subprocess, sys
def take_parent(): return C.truth_malloc(1003)
def take_child(): C.truth_malloc(1004)
def fork(*what):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        for w in what: w()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    print(pid)
fork(take_child)
fork(take_child, libpytrace.start, take_child)
libpytrace.start()
p = take_parent()
q = take_parent()
fork(take_child)
libpytrace.stop()
r = take_parent()
fork(take_child, lambda: C.truth_free(q), lambda: C.truth_free(r), libpytrace.start, take_child)
print(subprocess.check_output([sys.executable, '-c', 'import libpytrace; print(libpytrace.stats()["stopped"])']).decode())
''', {'PYTRACE_START': '0', 'PYTHONWARNINGS': 'ignore'})
    *pids, said = done.out.split()
    assert said == 'True' and len(pids) == 4, done.out
    assert functions(done.trace) == {'take_parent': (2006, 2, 2)}
    of = [functions(done.trace_of(int(p))) for p in pids]
    one = {'take_child': (1004, 1, 1)}
    assert of == [{}, one, one, one], of
    assert [why(done.trace_of(int(p))) for p in pids] == [[('pause', 4)], [('pause', 4), ('resume', 2)], [], [('pause', 4), ('resume', 2)]]
    last = harness.report('info', done.trace_of(int(pids[3])))
    assert last['inherited']['found'] is True and last['inherited']['freed'] >= 1 and last['events']['unknown_frees'] == 0, last['inherited']


CACHE = '''
import collections, libpytrace
cache, LIMIT = collections.OrderedDict(), %d
def put(i):
    cache[i] = bytearray(300)
    if len(cache) > LIMIT: cache.popitem(last=False)
for i in range(12000): put(i)
libpytrace.start()
for i in range(12000, 15500): put(i)
libpytrace.stop()
'''


@harness.cases(4000, 1 << 30)
@harness.spread(3)
def test_growth_is_told_from_the_new_half_of_a_cache(python, tmp, case):
    """A cache that is full when recording starts shows nothing but new entries: no leak. One without a bound is."""
    done = traced(python, tmp, CACHE % case, {'PYTRACE_START': '0'})
    doc = harness.report('leaks', done.trace)
    lines = {(f['site'] or {}).get('line') for f in doc['findings']}
    if case == 4000:
        assert doc['findings'] == [], doc['findings']
        assert any('recording had been stopped' in f['why'].lower() for f in doc['undecided']), doc['undecided']
    else:
        assert lines == {5} and all(f['verdict'] == 'growth' for f in doc['findings']), doc['findings']
    assert doc['trace'][0]['recorded']['spans'][0]['started_by'] == 'call'


@harness.spread(3)
def test_timeline_shows_the_gaps(python, tmp):
    done = traced(python, tmp, '''
import libpytrace, time
time.sleep(0.1); libpytrace.start(); a = bytearray(1 << 20); time.sleep(0.1); libpytrace.stop(); time.sleep(0.1); libpytrace.start()
b = bytearray(1 << 20); time.sleep(0.1); libpytrace.stop(); del a; time.sleep(0.1)
''', {'PYTRACE_START': '0'})
    doc = harness.report('timeline', '--points', '50', done.trace)
    (a, b), (c, d) = [(s['from_s'], s['to_s']) for s in doc['recorded']['spans']]
    assert 0.1 <= a < a + 0.1 <= b < b + 0.1 <= c < c + 0.1 <= d, doc['recorded']
    row = [line for line in harness.pytrace('timeline', done.trace).out.splitlines() if line.startswith('  recorded ')]
    spans = row[0].split('|')[1].split()
    assert len(spans) == 2 and set(''.join(spans)) == {'='}, row
    at = {round(s['t_s'], 3): s['bytes'] >> 20 for s in doc['samples']}
    assert {n for t, n in at.items() if b < t < c} == {1} and {n for t, n in at.items() if d + 0.03 < t < d + 0.08} == {1}, at


@harness.spread(4)
def test_mappings(python, tmp):
    done = traced(python, tmp, '''
import libpytrace, mmap
def take(n): return mmap.mmap(-1, n * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
a, b = take(10), take(20)
libpytrace.stop()
c = take(30)
a.close()
b.resize(40 * 4096)
c.resize(50 * 4096)
d = take(60)
libpytrace.start()
d.close()
e = take(70)
''')
    doc = harness.report('sites', '--by', 'function', '--layer', 'mmap', '--top', '0', done.trace)
    assert sum(r['bytes'] for r in doc['rows'] if r['site'] and r['site']['function'] == 'take') == (40 + 70) * 4096, doc['rows']


@harness.spread(3)
def test_watches_end_with_recording(python, tmp):
    done = traced(python, tmp, '''
import libpytrace
class Kept: pass
kept = [Kept()]
print(libpytrace.watch(kept[0]), libpytrace.stats()['watched'])
libpytrace.stop()
print(libpytrace.stats()['watched'], libpytrace.watch(kept[0]))
also = kept[0]
libpytrace.start()
print(libpytrace.watch(kept[0]), libpytrace.stats()['watched'])
''')
    first, between, last = done.out.split('\n')[:3]
    assert between == '0 False', done.out
    if first == 'False 0':
        raise harness.Skip('nothing can be watched here')
    assert first == last == 'True 1', done.out


@harness.spread(3)
def test_collections_are_not_recorded_while_stopped(python, tmp):
    done = traced(python, tmp, '''
import gc, libpytrace
gc.disable()
libpytrace.mark('a'); gc.collect(0); libpytrace.stop(); gc.collect(1); gc.set_debug(0); gc.enable(); gc.disable(); libpytrace.start(); gc.collect(0)
''')
    t = tracefile.TraceFile(done.trace)
    events = [op for _, op, _, _, _, _ in t.events() if op in (143, 144, tracefile.MARK, tracefile.PAUSE, tracefile.RESUME)]
    events = events[events.index(tracefile.MARK) + 1:]
    assert events[:6] == [143, 144, tracefile.PAUSE, tracefile.RESUME, 143, 144], events
    doc = harness.report('gc', done.trace)
    assert doc['schema'] == 'pytrace.gc/1'


@harness.spread(3)
def test_killed_while_stopped(python, tmp):
    done = harness.run_traced([python.path, '-c', 'import libpytrace, os\nlibpytrace.start(); a = bytearray(100000)\n'
                               'libpytrace.stop(); b = bytearray(100001)\nos.kill(os.getpid(), 9)'], tmp, dict(QUICK, PYTRACE_START='0'))
    assert done.returncode == -signal.SIGKILL
    doc = harness.report('info', done.trace)
    assert doc['ended'] == 'killed' and [s['stopped_by'] for s in doc['recorded']['spans']] == ['call'], doc['recorded']


@harness.cases('TERM', 'HUP')
@harness.spread(3)
def test_a_signal_ends_an_idle_program(python, tmp, case):
    done = harness.run_traced([python.path, '-c', 'import os, signal, time\nos.kill(os.getpid(), signal.SIG%s)\ntime.sleep(60)' % case],
                              tmp, {'PYTRACE_START': '0'}, timeout=20)
    assert done.returncode == -getattr(signal, 'SIG' + case)
    doc = harness.report('info', done.trace)
    assert doc['recorded']['spans'] == [] and doc['ended'] == 'signal' and doc['snapshots'] == [], (doc['ended'], doc['snapshots'])
