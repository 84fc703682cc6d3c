# SPDX-License-Identifier: Apache-2.0
"""Programs that leak are found out, at the line marked "# leak"; healthy ones (ok_*) are left in peace."""
import glob
import os

import harness

FOLDER = os.path.join(harness.HERE, 'leaks')
NAMES = sorted(os.path.basename(f)[:-3] for f in glob.glob(os.path.join(FOLDER, '*.py')))

# What is no plain growth: nobody has a pointer to it any more.
VERDICTS = {'ctypes_malloc': 'native-unreachable'}


def run(python, tmp, name):
    path = os.path.join(FOLDER, name + '.py')
    return path, harness.run_traced_once([python.path, '-B', path], tmp).check().trace


def marked(path):
    with open(path) as f:
        return {n for n, line in enumerate(f, 1) if '# leak' in line}


def lines_of(finding, path):
    return {p['site']['line'] for p in finding['parts'] if p['site']['file'] == path}


@harness.cases(*[n for n in NAMES if not n.startswith('ok_')])
@harness.spread(2)
def test_leak(python, tmp, case):
    path, trace = run(python, tmp, case)
    doc = harness.report('leaks', trace)
    assert doc['findings'], 'nothing found; undecided: %s' % [(f['site']['line'], f['why']) for f in doc['undecided']]
    worst = doc['findings'][0]
    verdict = VERDICTS.get(case, 'growth')
    assert worst['verdict'] == verdict and worst['blame']['file'] == path, worst['blame']
    assert worst['blame']['line'] in marked(path), (worst['blame'], marked(path))
    assert marked(path) <= set().union(*(lines_of(f, path) for f in doc['findings'])), [p['site'] for p in worst['parts']]
    evidence = worst['evidence']
    assert evidence['grown_bytes'] > 0 and evidence['growing_windows'] <= evidence['windows']
    assert worst['growth']['bytes_per_s'] > 0
    assert worst['site'] == next(f for f in worst['stack'] if f['language'] == 'python')
    assert worst['stack'][-1]['function'] in ('<module>', 'Thread._bootstrap', '_bootstrap')
    assert worst['fingerprint'].startswith(verdict + '-') and worst['why']
    text = harness.pytrace('leaks', trace).out
    first_screen = '\n'.join(text.splitlines()[:24])
    assert '%s:%d' % (os.path.basename(path), worst['blame']['line']) in first_screen, first_screen
    with open(path) as f:
        source = f.read().splitlines()[worst['blame']['line'] - 1].strip()
    assert source in first_screen, first_screen
    assert all(len(line) <= 100 for line in text.splitlines()), [line for line in text.splitlines() if len(line) > 100]


@harness.cases(*[n for n in NAMES if n.startswith('ok_')])
@harness.spread(2)
def test_healthy(python, tmp, case):
    path, trace = run(python, tmp, case)
    doc = harness.report('leaks', trace)
    found = [(f['blame']['file'], f['blame']['line'], f['bytes'], f['why']) for f in doc['findings']]
    assert not found, found
    assert doc['summary']['findings'] == 0
    assert 'No leak found' in harness.pytrace('leaks', trace).out


def test_fingerprints_last(python, tmp):
    """The same leak in another folder, a few lines further down, has the same fingerprint; another leak has not."""
    seen = []
    for n, name in enumerate(('dict_cache', 'dict_cache', 'global_list')):
        folder = os.path.join(tmp, str(n))
        os.mkdir(folder)
        with open(os.path.join(FOLDER, name + '.py')) as f:
            text = f.read()
        path = os.path.join(folder, 'app.py')
        with open(path, 'w') as f:
            f.write('\n' * n * 3 + text)
        done = harness.run_traced([python.path, '-B', path], folder).check()
        seen.append(harness.report('leaks', done.trace)['findings'][0]['fingerprint'])
    assert seen[0] == seen[1] != seen[2], seen


def test_sums(python, tmp):
    """All that is alive at the end is in exactly one place of the report."""
    trace = run(python, tmp, 'dict_cache')[1]
    doc = harness.report('leaks', '--top', '0', trace)
    total = sum(f['bytes'] for kind in ('findings', 'undecided', 'unfreed') for f in doc[kind])
    sites = harness.report('sites', '--top', '0', trace)
    assert total == doc['summary']['live_bytes']
    left = doc['summary']['exit_bytes']  # when the interpreter went down: a moment after the program ended
    assert left == sites['bytes'] == sum(r['bytes'] for r in sites['rows'])
    layers = harness.report('sites', '--by', 'layer', trace)
    assert sum(r['bytes'] for r in layers['rows']) == left
    summary = harness.report('summary', trace)
    assert summary['processes'][0]['live_bytes'] == left
