# SPDX-License-Identifier: Apache-2.0
"""Golden traces of every version of the format are read for ever, with the same events. They are never made anew."""
import glob
import gzip
import hashlib
import json
import os

import harness
import merged
import tracefile

FOLDER = os.path.join(harness.HERE, 'golden')
NAMES = sorted(os.path.relpath(p, FOLDER)[:-len('.pytrace.gz')] for p in glob.glob(os.path.join(FOLDER, 'v*', '*.pytrace.gz')))
# Their bytes, so that nobody changes one unseen. Lines are only ever added.
SUMS = {
    'v1/example': '8a8477da22cf998be4da2ff72a1df8261e07e976fb5534092dc7c640dd37d369',
    'v1/killed': 'b51dd360e798f00c1b997b6cf1c418eb63c0f001653cd46e4fe2f91ac195409c',
    'v1/python': '709520a09420e910a1b43452508be8c5487ad91cc6a4765167e5e7dae803319e',
    'v1/stacks': '23bd9de87f246bb96762b5d3fe12935090e339ae4bf7a7e84cf8ee01e7f2881f',
    'v1/threads': '27f6fcc99cd644c2a11faa02653a6d0c6b5fb1a8d50dcda2cb5ffa33ce15debd',
}


def unpack(tmp, name):
    with gzip.open(os.path.join(FOLDER, name + '.pytrace.gz')) as f:
        data = f.read()
    path = os.path.join(tmp, os.path.basename(name) + '.pytrace')
    with open(path, 'wb') as f:
        f.write(data)
    return path, data


def test_golden_traces_are_there():
    assert set(SUMS) == set(NAMES) and len(NAMES) >= 4, (sorted(SUMS), NAMES)


@harness.cases(*NAMES or ['none'])
def test_golden(tmp, case):
    path, data = unpack(tmp, case)
    assert hashlib.sha256(data).hexdigest() == SUMS[case], '%s was changed: golden traces stay as they are' % case
    with gzip.open(os.path.join(FOLDER, case + '.json.gz')) as f:
        want = json.loads(f.read().decode())
    got = json.loads(harness.pytrace('dump', '--json', path).out)
    assert got['schema'] == want['schema'] and got['trace'][0]['complete'] == want['trace'][0]['complete']
    assert len(got['events']) == len(want['events'])
    for a, b in zip(got['events'], want['events']):
        assert {k: a.get(k) for k in b} == b, 'event %s was %s' % (a, b)
    t = tracefile.TraceFile(path)
    assert sum(1 for _ in t.events()) == len(want['events'])
    if t.natives:
        assert merged.compare(path, t, 'object') > 50
    for command in 'info', 'summary', 'sites', 'leaks':
        harness.report(command, path)
