# SPDX-License-Identifier: Apache-2.0
"""refs: points of objects that nobody watched, what ends a history, what to do without one, hostile events."""
import os

import harness
import tracewriter

FOLDER = os.path.join(harness.HERE, 'counts')
WATCH, COUNT, UNWATCH = 148, 149, 150


def run(python, tmp, name, **env):
    return harness.run_traced([python.path, '-B', os.path.join(FOLDER, name + '.py')], tmp, env).check()


def line_of(name, mark):
    with open(os.path.join(FOLDER, name + '.py')) as f:
        found = [n for n, line in enumerate(f, 1) if line.rstrip().endswith('# ' + mark)]
    assert len(found) == 1, (name, mark, found)
    return found[0]


def test_points_of_objects_that_nobody_watched(python, tmp):
    done = run(python, tmp, 'points')
    doc = harness.report('refs', '--type', 'Session', done.trace)
    assert doc['n_objects'] == 2 and all(o['kind'] == 'points' for o in doc['objects']), doc['objects']
    by_line = {o['site']['line']: o for o in doc['objects']}
    stays, goes = by_line[line_of('points', 'stays')], by_line[line_of('points', 'goes')]
    points = [(p['snapshot'], p['count'], p['known']) for p in stays['points']]
    assert points == [(1, 1, 1), (2, 3, 3), (3, 1, 1), (4, 1, 1)], points
    assert [(p['snapshot'], p['count']) for p in goes['points']] == [(1, 1), (2, 1)], goes['points']
    assert goes['died_at']['line'] == line_of('points', 'gone') and stays['died_s'] is None, goes
    assert stays['address'] == done.out.strip() and stays['held_by'] == ['__main__.stays'], stays
    only = harness.report('refs', '--address', stays['address'], done.trace)['objects']
    assert [o['address'] for o in only] == [stays['address']], only
    only = harness.report('refs', '--site', 'points.py:%d' % line_of('points', 'goes'), '--type', '*', done.trace)['objects']
    assert [o['address'] for o in only if o['type'] == '__main__.Session'] == [goes['address']], only
    text = harness.pytrace('refs', '--type', 'points.Session', done.trace).out
    assert 'No such object was watched, or is in a snapshot.' in text, text
    text = harness.pytrace('refs', '--type', 'Session', done.trace).out
    assert 'alive at the last snapshot, held by __main__.stays' in text and 'given back at' in text, text


def test_advice_where_nothing_was_watched(python, tmp):
    done = run(python, tmp, 'points')
    doc = harness.report('refs', done.trace)
    assert doc['objects'] == [] and doc['watch']['rules'] is None, doc
    assert "PYTRACE_WATCH='type:__main__.Order'" in doc['advice'], doc['advice']
    assert "PYTRACE_WATCH='type:__main__.Order'" in harness.pytrace('refs', done.trace).out.replace('\n', ' ')


def test_advice_where_the_rules_choose_nothing(python, tmp):
    done = run(python, tmp, 'points', PYTRACE_WATCH='type:no.such.Type')
    doc = harness.counts_report(done.trace)
    assert doc['advice'] == 'No object was made that PYTRACE_WATCH=type:no.such.Type chooses.', doc['advice']


@harness.spread(3)
def test_places_rotate_and_processes_are_apart(python, tmp):
    """Objects whose counts rest give their places to younger ones; the child of a fork tells of those that it goes on with."""
    done = harness.run_traced([python.path, '-B', os.path.join(FOLDER, 'rotates.py')], tmp, {'PYTRACE_WATCH': 'type:Box'}).check()
    doc = harness.counts_report('--limit', '0', *done.traces)
    assert [p['pid'] for p in doc['processes']] == [t['pid'] for t in doc['trace']] and len(doc['processes']) == 2
    ends = [o['end']['why'] for o in doc['processes'][0]['objects']]
    assert ends.count('rotated') >= 4 and ends.count('alive') >= 1 and set(ends) == {'rotated', 'alive'}, ends
    for o in doc['processes'][0]['objects']:
        assert o['count'] == 1 and o['whole'] and o['site']['line'] == line_of('rotates', 'made'), o
        assert len(o['held_by']) == 1 and o['held_by'][0].startswith('__main__.kept['), o
    child = doc['processes'][1]['objects']
    assert any(not o['whole'] and 'start' in o['changes'][0]['flags'] for o in child), child
    assert 'rotated out after' in harness.pytrace('refs', '--limit', '0', done.trace).out


def test_hostile_events_are_counted(tmp):
    """Watches that were never opened, are opened twice, have no stack, or jump."""
    path = os.path.join(tmp, 'hostile.pytrace')
    events = [(COUNT, 5, 3, 0), (UNWATCH, 5 | 1 << 32, 0, 0), (WATCH, 0x7010, 1 | 77 << 32, 0),
              (COUNT, 1 | 1 << 32, 1 | 99 << 32, 0), (COUNT, 1, 0xffffffff, 0), (COUNT, 1 | 0xffff << 32, 0x7fffffff, 0),
              (WATCH, 0x8010, 1, 0), (COUNT, 1 | 1 << 32, 1, 0), (UNWATCH, 1 | 0xffff << 32, 1 << 31, 0), (COUNT, 1, 2, 0)]
    with open(path, 'wb') as f:
        f.write(tracewriter.Writer().start().events(events).bytes())
    doc = harness.report('refs', '--raw', '--limit', '0', path)
    assert doc['watch']['strange'] == 4 and doc['watch']['watches'] == 2, doc['watch']
    first, second = sorted(doc['objects'], key=lambda o: o['address'])
    assert [c['delta'] for c in first['changes']][:2] == [1, -2] and first['end']['why'] == 'lost', first
    assert len(second['changes']) == 1 and second['end']['why'] == 'alive', second
    harness.pytrace('refs', path)


def test_wrong_lines_are_refused(tmp):
    assert 'refs' in harness.pytrace('refs', status=2).err
    assert harness.pytrace('refs', os.path.join(tmp, 'none.pytrace'), status=3).err
    assert 'object' in harness.pytrace('refs', '--object', 'x', 'y', status=2).err
