# SPDX-License-Identifier: Apache-2.0
"""`pytrace objects`: as many objects of each type as the program itself counts; what grew between two snapshots."""
import json
import os

import harness

FOLDER = os.path.join(harness.HERE, 'heap')
LAZY = {'function', 'module', 'lazy_import'}  # 3.15: looking at an import that was put off makes it


def run(python, tmp, name, snapshot, *args):
    done = harness.run_traced([python.path, '-B', os.path.join(FOLDER, name + '.py')] + list(args), tmp,
                              {'PYTRACE_SNAPSHOT': snapshot, 'PYTHONWARNINGS': 'ignore'}).check()
    assert not done.err, done.err
    return done


def lines_of(name, mark):
    with open(os.path.join(FOLDER, name + '.py')) as f:
        return [n for n, line in enumerate(f, 1) if line.rstrip().endswith('# ' + mark)]


def test_counts_are_those_of_the_collector(python, tmp):
    """All types, all objects: what gc.get_objects() has at the same moment. It leaves out the permanent generation."""
    done = run(python, tmp, 'counts', 'signal=USR2')
    told = json.loads(done.out)
    doc = harness.report('objects', done.trace)
    assert doc['snapshot']['reason'] == 'signal' and doc['snapshot']['complete'] and not doc['snapshot']['missed']
    got = {t['type']: t['tracked'] - t['frozen'] for t in doc['types'] if t['tracked'] > t['frozen']}
    if python.minor >= (3, 15):
        assert sum(got.pop(t, 0) for t in LAZY) == sum(told.pop(t, 0) for t in LAZY)
    assert got == told, {t: (got.get(t, 0), told.get(t, 0)) for t in set(got) | set(told) if got.get(t) != told.get(t)}
    assert told['__main__.Point'] == 1000 and told['__main__.Sub'] == 300 and told['__main__.Bare'] == 50


def test_rows_add_up(python, tmp):
    """Both tables hold every object once; nobody retains less than itself, or more than there is."""
    done = run(python, tmp, 'counts', 'signal=USR2')
    doc = harness.report('objects', done.trace)
    for rows in doc['types'], doc['sites']:
        assert sum(r['count'] for r in rows) == doc['snapshot']['objects']
        assert sum(r['bytes'] for r in rows) == doc['snapshot']['bytes']
        for key in 'tracked', 'interned', 'immortal', 'static':
            assert sum(r[key] for r in rows) == doc['snapshot'][key], key
        for r in rows:
            assert r['bytes'] <= r['retained_bytes'] <= doc['snapshot']['bytes'], r
    assert doc['snapshot']['interned'] > 500 and doc['snapshot']['static'] > 100, doc['snapshot']
    line, = lines_of('counts', 'texts')
    texts = [r for r in doc['sites'] if r['site'] and r['site']['line'] == line and r['site']['file'].endswith('counts.py')]
    assert len(texts) == 1 and texts[0]['types'] <= 3 and texts[0]['count'] >= 400, texts
    text = harness.pytrace('objects', done.trace).out
    first, (line,) = text.splitlines()[:24], lines_of('counts', 'points')
    assert any('__main__.Point' in row and 'counts.py:%d' % line in row for row in first), '\n'.join(first)
    assert all(len(row) <= 100 for row in text.splitlines()), text


def test_what_grew(python, tmp):
    done = run(python, tmp, 'growth', 'signal=USR2')
    doc = harness.report('objects', '--diff', '1', '2', done.trace)
    assert doc['before']['id'] == 1 and doc['snapshot']['id'] == 2 and doc['snapshot']['t_s'] > doc['before']['t_s']
    rows = {t['type']: t for t in doc['types']}
    change = {name: rows['__main__.' + name]['count_change'] for name in ('Added', 'Gone', 'Same')}
    assert change == {'Added': 500, 'Gone': -20, 'Same': 0}, change
    added = rows['__main__.Added']
    assert (added['count_before'], added['count']) == (10, 510) and doc['types'][0] == added, doc['types'][0]
    size = added['bytes'] // 510
    assert added['bytes_change'] == 500 * size and added['bytes'] == 510 * size, added
    line, = lines_of('growth', 'grows')
    site = doc['sites'][0]
    assert site['site']['line'] == line and site['count_change'] == 500, site
    text = harness.pytrace('objects', '--diff', '1', done.trace).out
    assert '+500' in text and '__main__.Added' in text and 'growth.py:%d' % line in text, text
    assert '__main__.Same' not in text and '__main__.Gone' not in text, text


def test_two_traces_are_compared(tmp):
    python = harness.PYTHONS[-1]
    traces = []
    for n in 'small', '0':
        folder = os.path.join(tmp, n)
        os.mkdir(folder)
        program = os.path.join(folder, 'app.py')
        with open(program, 'w') as f:
            f.write('class Thing: pass\nkept = [Thing() for i in range(%d)]\n' % (700 if n == '0' else 100))
        traces.append(harness.run_traced([python.path, '-B', program], folder).check().trace)
    doc = harness.report('objects', *traces)
    assert {t['type']: t['count_change'] for t in doc['types']}['__main__.Thing'] == 600
    back = harness.report('objects', *traces[::-1])
    assert {t['type']: t['count_change'] for t in back['types']}['__main__.Thing'] == -600
    missing = os.path.join(tmp, 'missing.pytrace')
    for pair in (traces[0], missing), (missing, traces[0]):
        alone = json.loads(harness.pytrace('objects', '--json', *pair, status=3).out)
        assert {t['type']: t['count'] for t in alone['types']}['__main__.Thing'] == 100, pair


def test_no_snapshot_is_said(tmp):
    python = harness.PYTHONS[0]
    done = harness.run_traced([python.path, '-c', 'pass'], tmp, {'PYTRACE_SNAPSHOT': 'off'}).check()
    assert harness.report('objects', done.trace)['snapshot'] is None
    for args in ('objects', done.trace), ('paths', done.trace, 'dict'), ('cycles', done.trace):
        assert 'PYTRACE_SNAPSHOT' in harness.pytrace(*args).out, args
    harness.pytrace('objects', done.trace, done.trace, done.trace, status=2)
    harness.pytrace('paths', done.trace, status=2)
