# SPDX-License-Identifier: Apache-2.0
"""References that were taken and not given back are told from other growth, exactly, and what C code keeps with good reason is left
in peace; two runs name the line that takes them."""
import os
import shutil

import harness

HERE = os.path.join(harness.HERE, 'surplus')
N = 4000


def marked(name):
    with open(os.path.join(HERE, name)) as f:
        lines = [line.rstrip().rstrip('*/ ').replace('/*', '#') for line in f]
    return {line.rsplit('#', 1)[1].strip(): n for n, line in enumerate(lines, 1) if '  # ' in line or '; #' in line}


def build(python, tmp):
    """The extension module beside a copy of the program. Returns the program's path."""
    harness.extension(python, os.path.join(tmp, '_lossy.so'), os.path.join(HERE, '_lossy.c'))
    return shutil.copy(os.path.join(HERE, 'program.py'), tmp)


def leaks(python, tmp, how, n=N, snapshots=0):
    """With so many snapshots on the way, and the one at the exit."""
    program = build(python, tmp)
    done = harness.run_traced([python.path, '-B', program, how, str(n), str(snapshots)], tmp, {'PYTRACE_SNAPSHOT': 'exit,call'}).check()
    return harness.report('leaks', done.trace), done.trace


def the_one(doc):
    """The only finding, which is on references."""
    assert [f['verdict'] for f in doc['findings']] == ['reference-leak'], [
        (f['verdict'], f['type'], f['blame']['line'], f['why']) for f in doc['findings']]
    return doc['findings'][0]


def place(site):
    return '%s:%d' % (os.path.basename(site['file']), site['line'])


def test_lost_instances_are_counted_exactly(python, tmp):
    doc, trace = leaks(python, tmp, 'instances')
    f = the_one(doc)
    line = marked('program.py')['thing']
    assert f['type'] == '__main__.Thing' and place(f['blame']) == 'program.py:%d' % line, f['blame']
    assert (f['surplus']['kind'], f['surplus']['objects'], f['surplus']['references']) == ('objects', N // 2, N // 2), f['surplus']
    assert f['watch'] == "PYTRACE_WATCH='type:__main__.Thing site:program.py:%d'" % line or f['watch'].endswith(
        '/program.py:%d\'' % line), f['watch']
    assert f['blocks'] >= N and f['growth']['bytes_per_s'] > 0, f['blocks']  # with the lists that they hold
    assert '2,000 references that nobody holds' in f['why'], f['why']
    text = harness.pytrace('leaks', trace).out
    assert '1. reference-leak: ' in text and ' '.join(f['watch'].split()) in ' '.join(text.split()), text[:1500]
    summary = harness.report('summary', trace)
    assert [s['verdict'] for s in summary['findings']] == ['reference-leak']
    suspects_are_rules_worst_first(trace, os.path.join(tmp, 'suspects'), 'program.py:%d' % line)


def suspects_are_rules_worst_first(trace, path, site):
    harness.pytrace('leaks', '--suspects', path, trace)
    with open(path) as f:
        rules = [line.rstrip('\n') for line in f if not line.startswith('#')]
    assert rules[0].startswith('type:__main__.Thing site:') and rules[0].endswith(site), rules
    harness.pytrace('refs', '--suspects', path, trace, status=2)  # it is there
    harness.pytrace('refs', '--suspects', path, '-f', trace)
    with open(path) as f:
        assert rules == [line.rstrip('\n') for line in f if not line.startswith('#')]


@harness.cases('3000')
@harness.spread(6)
def test_references_on_one_object_need_several_snapshots(python, tmp, case):
    doc, _ = leaks(python, tmp, 'one', int(case), 6)
    f = the_one(doc)
    assert place(f['blame']) == 'program.py:%d' % marked('program.py')['shared'], f['blame']
    assert (f['surplus']['kind'], f['surplus']['objects'], f['surplus']['references']) == ('shared', 1, 3000), f['surplus']
    counts = [p['references'] for p in f['surplus']['snapshots']]
    assert len(counts) >= 4 and counts == sorted(counts) and counts[-1] == 3000, counts
    assert f['bytes'] == 0 and f['type'] == '__main__.Thing'


@harness.cases('3000')
@harness.spread(4)
def test_references_on_one_object_are_undecided_with_one_snapshot(python, tmp, case):
    doc, _ = leaks(python, tmp, 'one', int(case))
    assert not doc['findings'], doc['findings']
    f, = [f for f in doc['undecided'] if 'surplus' in f]
    assert f['surplus']['references'] == 3000 and 'PYTRACE_SNAPSHOT=exit,every=' in f['decided_by'], f['decided_by']
    assert f['watch'] in f['decided_by'], f['decided_by']


@harness.cases(('bytes_in_c', 'bytes'), ('bytes_of_python', 'python'))
@harness.spread(4)
def test_objects_that_nobody_refers_to(python, tmp, case):
    doc, _ = leaks(python, tmp, case[0])
    f = the_one(doc)
    assert f['surplus']['kind'] == 'unreferenced' and N * 0.98 <= f['surplus']['unreferenced'] <= N * 1.02, f['surplus']
    assert [p for p in f['stack'] if p['language'] == 'python'][0]['line'] == marked('program.py')[case[1]], f['stack'][:3]
    assert f['watch'].endswith("program.py:%d'" % marked('program.py')[case[1]]), f['watch']


@harness.cases('tuples_in_c')
@harness.spread(8)
def test_what_lost_objects_hold_goes_with_them(python, tmp, case):
    doc, _ = leaks(python, tmp, case)
    f = the_one(doc)
    assert f['type'] == 'tuple' and f['surplus']['references'] >= N * 0.98, f['surplus']
    assert f['blocks'] >= 4 * N, f['blocks']  # the tuple, the list, the Thing, its list


def keeper_of(f):
    return place(f['keeper']['site']), f['keeper']['blocks'], f['keeper']['words'] >= N


@harness.cases('kept_and_lost')
@harness.spread(8)
def test_what_a_table_of_c_keeps_is_growth_and_what_is_lost_beside_it_is_lost(python, tmp, case):
    doc, trace = leaks(python, tmp, case)
    lines, c = marked('program.py'), marked('_lossy.c')
    found = doc['findings']
    assert [f['verdict'] for f in found] == ['growth', 'reference-leak'], [
        (f['verdict'], place(f['blame']), f['why']) for f in doc['findings']]
    kept, lost = found
    assert place(lost['blame']) == 'program.py:%d' % lines['thing'], lost['blame']
    assert (lost['surplus']['objects'], lost['surplus']['references']) == (N // 2, N // 2), lost['surplus']
    assert place(kept['blame']) == 'program.py:%d' % lines['kept'], kept['blame']
    assert kept['blocks'] >= 2 * N and 'surplus' not in kept, kept['blocks']
    assert keeper_of(kept) == ('_lossy.c:%d' % c['keep'], 1, True), kept['keeper']
    assert kept['held_by'].startswith('native memory: a block of ') and '_lossy.c:%d in lossy_keep' % c['keep'] in kept['held_by'], kept['held_by']
    text = ' '.join(harness.pytrace('leaks', trace).out.split())
    assert 'Held by native memory: a block of ' in text, text


@harness.cases('bytes_kept')
@harness.spread(4)
def test_what_only_a_table_of_c_has_is_growth(python, tmp, case):
    doc, _ = leaks(python, tmp, case)
    f, = doc['findings']
    assert f['verdict'] == 'growth' and place(f['blame']) == 'program.py:%d' % marked('program.py')['bytes kept'], f['blame']
    assert keeper_of(f) == ('_lossy.c:%d' % marked('_lossy.c')['keep'], 1, True), f['keeper']


@harness.cases(('ok_ring', 0), ('ok_table', 0), ('ok_table', 6), ('ok_pool', 0), ('ok_pool', 6), ('ok_none', 0), ('ok_bursts', 0))
@harness.spread(3)
def test_what_c_code_keeps_is_no_leak(python, tmp, case):
    doc, _ = leaks(python, tmp, case[0], N, case[1])
    assert not doc['findings'], [(f['verdict'], f['type'], f['why']) for f in doc['findings']]


@harness.cases('ok_shared')
@harness.spread(3)
def test_surplus_that_stops_is_no_leak(python, tmp, case):
    doc, _ = leaks(python, tmp, case, 3000, 6)
    assert not doc['findings'] and not [f for f in doc['undecided'] if 'surplus' in f], doc['findings']


def hunt(python, tmp, how, n):
    program = build(python, tmp)
    env = harness.clean_env(PYTRACE_LIBRARY=harness.LIBRARY)
    return harness.run([harness.PYTRACE, 'refs', '--hunt', '-o', os.path.join(tmp, '%n.%p.pytrace'), '--', python.path, '-B',
                        program, how, str(n)], tmp, env)


@harness.cases('instances')
@harness.spread(6)
def test_hunt_names_the_line(python, tmp, case):
    done = hunt(python, tmp, case, 1000)
    assert done.returncode == 0 and done.out == 'done\ndone\n', (done.returncode, done.out, done.err)
    assert len(done.traces) == 2, done.traces
    answer = ' '.join(done.err.replace('pytrace:', ' ').split())
    assert 'reference-leak: ' in answer, done.err
    assert '500 references on __main__.Thing objects; taken at ' in answer, done.err
    assert '/_lossy.c:%d in lossy_lose and not given back' % marked('_lossy.c')['lose'] in answer, done.err


@harness.cases('ok_none')
@harness.spread(3)
def test_hunt_without_suspects_says_so(python, tmp, case):
    done = hunt(python, tmp, case, 500)
    assert done.returncode == 0 and done.out == 'done\n', (done.returncode, done.out, done.err)
    assert 'no suspects' in done.err and len(done.traces) == 1, done.err


@harness.cases('import asyncio, ast, ctypes, decimal, json, sqlite3, threading, unittest; things = [[i] for i in range(2000)]')
@harness.spread(8)
def test_what_every_program_has_is_in_the_table(python, tmp, case):
    done = harness.run_traced([python.path, '-B', '-c', case], tmp).check()
    left = harness.report('refs', '--surplus', done.trace)['surplus']
    assert not left, [(g['type'], g['names'], g['site']) for g in left]
    everything = harness.report('refs', '--surplus', '--all', '--top', '0', done.trace)['surplus']
    assert [g for g in everything if g['healthy'] and g['exact'] and g['why']], everything[:3]
