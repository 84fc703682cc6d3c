# SPDX-License-Identifier: Apache-2.0
"""Fragmentation: memory that stays though little is alive, the lines that keep it, and what would go back without them."""
import os

import harness

PROGRAM = os.path.join(harness.HERE, 'fragments', 'keeps.py')
# What keeps it, the kind of memory, and how many blocks do.
KEEP = {'objects': ('arena', 1200), 'blocks': ('heap', 150), 'one_on_top': ('heap', 1), 'heaps_of_threads': ('heap', 180),
        'parsed': ('arena', 1600)}
HEALTHY = 'objects_all_freed', 'objects_side_by_side', 'objects_half', 'blocks_all_freed', 'large_blocks', 'bursts'


def line_of(what):
    with open(PROGRAM) as f:
        return [n for n, line in enumerate(f, 1) if line.rstrip().endswith('# ' + what)][0]


def trace(python, tmp, what, then, env=None):
    return harness.run_traced([python.path, '-B', '-S', PROGRAM, what, then], tmp, env).check().trace


def leaks(python, tmp, what, then, env=None):
    return harness.report('leaks', trace(python, tmp, what, then, env))


def found(python, tmp, what, then, env=None):
    doc = leaks(python, tmp, what, then, env)
    assert [f['verdict'] for f in doc['findings']] == ['fragmentation'], (doc['findings'], doc['undecided'])
    return doc['findings'][0]


@harness.cases(*KEEP)
@harness.spread(2)
def test_what_keeps_it_is_named(python, tmp, case):
    """The line whose blocks keep free memory from going back, how many they are; and what would go back without them is what
    does go back in the same program when it gives them back."""
    if python.free_threaded and case == 'parsed':
        raise harness.Skip('free-threaded: whole slices are free, which mimalloc keeps by itself')
    f = found(python, tmp, case, 'stay')
    kind, n = KEEP[case]
    truth = int(harness.run([python.path, '-B', '-S', PROGRAM, case, 'release'], tmp).check().out)
    assert f['blame']['line'] == line_of(case) and f['blame']['file'].endswith('keeps.py'), f['blame']
    e = f['evidence']
    assert e['kind'] == ('mimalloc' if python.free_threaded and kind == 'arena' else kind) and e['exact'], e
    assert n * .9 <= f['blocks'] <= n * 1.1 + 3, (f['blocks'], n)
    if e['kind'] != 'mimalloc':  # which gives back when it likes, some of it never
        assert abs(e['pinned_bytes'] - truth) < truth * .15, (e, truth)
    assert f['bytes'] == e['pinned_bytes'] - e['held_bytes'] and 24 << 20 <= f['bytes'] <= e['free_bytes'], (f['bytes'], e)
    assert (e['last_used_s'] or 0) < e['end_s'] * .75, e
    since = ' from going back, unused since ' if e['last_used_s'] else ' and never was so much in use at once'
    assert all(w in f['why'] for w in ('RSS is ', ' are alive; ', ' keep ', since)) and ('malloc_trim(0)' in f['why']) == (kind == 'heap'), f['why']


@harness.cases(*HEALTHY)
@harness.spread(1)
def test_healthy(python, tmp, case):
    doc = leaks(python, tmp, case, 'end' if case == 'bursts' else 'stay')
    assert not doc['findings'] and 'RSS' not in str(doc['undecided']), (doc['findings'], doc['undecided'])


@harness.spread(3)
def test_a_run_that_ends_just_then(python, tmp):
    """So plain a case needs no time to show that it stays; where two lines made what is left, or memory is taken again and
    again, it does."""
    f = found(python, tmp, 'objects', 'end')
    assert f['blame']['line'] == line_of('objects') and f['fingerprint'].startswith('fragmentation-'), f


@harness.spread(2)
def test_what_the_allocator_keeps_by_itself(python, tmp):
    """No finding; it is named with what ends it."""
    file = trace(python, tmp, 'blocks_freed_from_the_top', 'stay')
    doc = harness.report('leaks', file)
    assert not doc['findings'] and not doc['undecided'], (doc['findings'], doc['undecided'])
    kept, = doc['retained']
    assert kept['kind'] == 'heap' and 24 << 20 < kept['bytes'] < 40 << 20 and 'malloc_trim(0)' in kept['remedy'], kept
    text = ' '.join(harness.pytrace('leaks', file).out.split())
    assert 'Free, and kept by the allocator itself: ' in text and 'No leak: malloc_trim(0) gives it back' in text, text
    assert harness.report('leaks', trace(python, tmp, 'objects_half', 'end'))['retained'] == []


@harness.spread(2)
def test_without_a_snapshot(python, tmp):
    """Arenas are known from events alone; what is resident in malloc's heaps is not."""
    if python.free_threaded:
        raise harness.Skip('free-threaded builds have no arenas')
    f = found(python, tmp, 'objects', 'stay', {'PYTRACE_SNAPSHOT': 'off'})
    assert f['blame']['line'] == line_of('objects') and not f['evidence']['exact'], f
