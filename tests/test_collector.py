# SPDX-License-Identifier: Apache-2.0
"""Collections: the report says what gc.callbacks saw in the program itself, and the program sees nothing of us."""
import json
import os

import harness

FOLDER = os.path.join(harness.HERE, 'collector')


def script(name):
    return os.path.join(FOLDER, name + '.py')


def run(python, tmp, name):
    return harness.run_traced_once([python.path, '-B', script(name)], tmp).check()


def line_of(name, mark, folder=FOLDER):
    with open(os.path.join(folder, name + '.py')) as f:
        found = [n for n, line in enumerate(f, 1) if line.rstrip().endswith('# ' + mark)]
    assert len(found) == 1, (name, mark, found)
    return found[0]


def phases(doc):
    """As callbacks are told."""
    out = []
    for c in doc['collections']:
        out += [('start', c['generation'], 0, 0), ('stop', c['generation'], c['collected'], c['uncollectable'])]
    return out


def find(part, whole):
    """Where `part` stands in `whole`."""
    found = [i for i in range(len(whole) - len(part) + 1) if whole[i:i + len(part)] == part]
    assert len(found) == 1, 'found %d times' % len(found)
    return found[0]


def explicit(doc):
    return [(c['site']['line'], c['generation'], c['collected'] + c['uncollectable'])
            for c in doc['collections'] if c['trigger'] == 'explicit' and c['site']]


def test_report_is_what_callbacks_saw(python, tmp):
    done = run(python, tmp, 'seen')
    told, doc = json.loads(done.out), harness.report('gc', done.trace)
    first = find([tuple(s[:4]) for s in told['seen']], phases(doc)) // 2
    mine = doc['collections'][first:first + len(told['seen']) // 2]
    times = [s[4] for s in told['seen']]
    # the program's callbacks run before the start and after the end that are told: one difference of the clocks fits all
    least = max(c['start_s'] + c['pause_s'] - times[2 * i + 1] for i, c in enumerate(mine))
    most = min(c['start_s'] - times[2 * i] for i, c in enumerate(mine))
    assert least <= most, (least, most)
    assert all(c['pause_s'] > 0 for c in mine)
    assert doc['off'] is None
    assert doc['total']['collections'] == len(doc['collections'])
    assert doc['total']['collected'] == sum(c['collected'] for c in doc['collections'])


def test_explicit_collections_have_their_line(python, tmp):
    done = run(python, tmp, 'seen')
    told, doc = json.loads(done.out), harness.report('gc', done.trace)
    marks = [('first explicit', 2), ('explicit 0', 0), ('explicit 1', 1), ('explicit 2', 2)]
    expected = [(line_of('seen', m), g, n) for (m, g), n in zip(marks, told['returned'])]
    got = explicit(doc)
    assert [e for e in got if e in expected] == expected, (got, expected)
    assert len(got) == 5, got
    callers = {c['site']['line']: c for c in doc['callers']}
    assert callers[line_of('seen', 'explicit 1')]['collections'] == 1, callers
    inside = [c for c in doc['collections'] if c['trigger'] == 'threshold' and c['site'] and c['site']['function'] == 'nodes']
    assert len(inside) > (0 if python.free_threaded else 3), 'threshold collections in nodes(): %d' % len(inside)
    assert {c['trigger'] for c in doc['collections']} >= {'threshold', 'explicit', 'shutdown'}


def test_settings_have_their_line(python, tmp):
    done = run(python, tmp, 'seen')
    told, doc = json.loads(done.out), harness.report('gc', done.trace)
    thresholds = [(t['thresholds'], (t['site'] or {}).get('line')) for t in doc['thresholds']]
    assert len(thresholds) == 2 and thresholds[0][1] is None, thresholds
    assert thresholds[0][0][1] == 10 and thresholds[0][0][0] in (700, 2000, 5000, 10000), thresholds
    # 3.14.0 to 3.14.4 ignore the third, and free-threaded builds have it all the same
    assert thresholds[1] == (told['thresholds'], line_of('seen', 'new thresholds')) or \
        thresholds[1] == ([300, 5, 5], line_of('seen', 'new thresholds')), thresholds
    spans = doc['disabled_spans']
    assert [(s['site']['line'], s['end_site']['line']) for s in spans] == [(line_of('seen', 'off'), line_of('seen', 'on'))]
    assert spans[0]['end_s'] > spans[0]['start_s'] and spans[0]['length_s'] > 0, spans
    during = [c for c in doc['collections'] if spans[0]['start_s'] < c['start_s'] < spans[0]['end_s']]
    assert during == [], during
    frozen = [(f['objects'], f['site']['line']) for f in doc['frozen'] if f['site']]
    assert frozen == [(told['frozen'], line_of('seen', 'frozen')), (frozen[-1][0], line_of('seen', 'thawed'))], frozen


def test_candidates(python, tmp):
    doc = harness.report('gc', run(python, tmp, 'seen').trace)
    for c in doc['collections']:
        if python.free_threaded:
            assert c['candidates'] is None, c
        else:
            assert c['candidates'] >= c['collected'] + c['uncollectable'], c
    if not python.free_threaded:
        full = [c['candidates'] for c in doc['collections'] if c['generation'] == 2 and c['trigger'] == 'explicit']
        assert full[-1] > 12000, full  # 9,000 lists are kept, and what the interpreter has


def test_what_was_freed_by_line(python, tmp):
    doc = harness.report('gc', run(python, tmp, 'seen').trace)
    rows = [g for g in doc['garbage'] if g['site'] and g['site']['function'] == 'nodes']
    objects = sum(g['blocks'] for g in rows if g['type'] and g['type'].endswith('Node'))
    assert objects == 2 * (4000 + 4000 + 400 + 100 + 30), (objects, rows)
    assert sum(g['bytes'] for g in doc['garbage']) == doc['total']['freed_bytes']
    for c in doc['collections']:
        assert sum(f['bytes'] for f in c['freed']) == c['freed_bytes'] and sum(f['blocks'] for f in c['freed']) == c['freed_blocks']


@harness.cases('unchanged', 'callbacks')
def test_program_sees_nothing_of_it(python, tmp, case):
    argv, env = [python.path, '-B', script(case)], {'PYTHONHASHSEED': '0'}
    for _ in range(6):  # an interpreter's own counts differ from run to run, now and then by a block
        plain = harness.run(argv, tmp, harness.clean_env(**env)).check()
        traced = harness.run_traced(argv, tmp, env).check()
        if (plain.out, plain.err) == (traced.out, traced.err):
            return
    assert False, '\n%s%s\n%s%s' % (plain.out, plain.err, traced.out, traced.err)


def test_collections_of_c_code(python, tmp):
    done = run(python, tmp, 'by_c')
    doc = harness.report('gc', done.trace)
    by_c = [c for c in doc['collections'] if c['trigger'] == 'explicit' and c['site'] and c['site']['line'] == line_of('by_c', 'by C')]
    assert [c['collected'] for c in by_c] == [int(done.out)], by_c
    spans = doc['disabled_spans']
    if python.version >= (3, 10):
        assert len(spans) == 1 and spans[0]['site'] is None and spans[0]['end_site'] is None, spans
    else:
        assert spans == [], spans


def test_child_of_a_fork(python, tmp):
    done = run(python, tmp, 'forks')
    doc = harness.report('gc', done.trace_of(int(done.out)))
    assert [t['thresholds'] for t in doc['thresholds']] == [[4321, 11, 12]], doc['thresholds']
    assert len(doc['disabled_spans']) == 1 and doc['disabled_spans'][0]['end_s'] is None
    assert [c[0] for c in explicit(doc)] == [line_of('forks', 'in the child')], explicit(doc)
    parent = harness.report('gc', done.trace)
    assert line_of('forks', 'in the child') not in [c[0] for c in explicit(parent)]


def test_threads_and_finalizers(python, tmp):
    done = run(python, tmp, 'threads')
    doc = harness.report('gc', done.trace)
    assert int(done.out) == 4 * 3000, done.out
    ended = [c for c in doc['collections'] if c['pause_s'] is not None]
    assert len(ended) >= len(doc['collections']) - 1
    for a, b in zip(doc['collections'], doc['collections'][1:]):
        assert a['pause_s'] is None or a['start_s'] + a['pause_s'] <= b['start_s'], (a, b)
    in_thread = [c for c in explicit(doc) if c[0] == line_of('threads', 'in a thread')]
    assert in_thread, explicit(doc)
    # what finalizers made while a collection ran is not what it freed (lists may have come back to a free list)
    made = [g for g in doc['garbage'] if g['site'] and '__del__' in g['site']['function'] and g['type'] == 'bytes']
    assert made == [], made
    lines = [g for g in doc['garbage'] if g['site'] and g['site']['function'] == 'work' and (g['type'] or '').endswith('Node')]
    assert sum(g['blocks'] for g in lines) <= 4 * 3000, lines


def test_lifetimes_agree_with_sites(python, tmp):
    """What is alive at the end and what was temporary are counted by another model, too; histograms and sums hold."""
    done = run(python, tmp, 'seen')
    doc = harness.report('lifetimes', done.trace)
    total, rows = doc['total'], doc['rows']
    sites = harness.report('sites', done.trace)
    assert (sites['blocks'], sites['bytes']) == (total['alive_blocks'], total['alive_bytes']), (sites['blocks'], total)
    sites = harness.report('sites', '--metric', 'temporary', done.trace)  # those of the interpreter's end included
    assert total['temporary_blocks'] <= sites['blocks'] <= 1.5 * total['temporary_blocks'], (sites['blocks'], total)
    for key in ('blocks', 'bytes', 'died_blocks', 'alive_blocks', 'churn_blocks', 'collected_blocks'):
        assert sum(r[key] for r in rows) == total[key], key
    for r in rows + [total]:
        assert sum(r['by_time']) == sum(r['by_allocations']) == r['died_blocks'] == r['blocks'] - r['alive_blocks'], r
        assert sum(r['survived_collections']) == r['blocks'], r
    for r in rows:
        assert sum(e['blocks'] for e in r['died_at']) == r['died_blocks'], r
    short = harness.report('lifetimes', '--churn', '2', done.trace)['total']
    assert short['churn_blocks'] == short['by_allocations'][0] >= short['temporary_blocks'], short
    freed = harness.report('gc', done.trace)
    before = [c for c in freed['collections'] if c['trigger'] != 'shutdown']
    assert total['collected_blocks'] == sum(c['freed_blocks'] for c in before), (total['collected_blocks'], len(before))
    assert len(doc['collections']) == len(before), (len(doc['collections']), len(before))


def test_survivors(python, tmp):
    """Of the lists that are kept, all that a collection meets survive it; nodes in cycles do not."""
    done = run(python, tmp, 'seen')
    doc = harness.report('lifetimes', done.trace)
    nodes = [r for r in doc['rows'] if (r['type'] or '').endswith('Node')]
    assert sum(r['died_blocks'] for r in nodes) == sum(r['collected_blocks'] for r in nodes) == 2 * 8530, nodes
    # the pairs that nodes() was at when one came
    assert sum(sum(r['survived_collections'][1:]) for r in nodes) <= 4 * len(doc['collections']), nodes
    for c in doc['collections']:
        assert c['young_survivors'] is None or 0 <= c['young_survivors'] <= c['young_blocks'], c
