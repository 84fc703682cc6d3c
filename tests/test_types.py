# SPDX-License-Identifier: Apache-2.0
"""Of what type each block was: read when it is freed, or from the last snapshot; equal to what the program knows."""
import json
import os

import harness
import tracefile

FOLDER = os.path.join(harness.HERE, 'types')


def run(python, tmp, name, *args, **env):
    return harness.run_traced([python.path, '-B', '-S', os.path.join(FOLDER, name + '.py')] + list(args), tmp, env)


def types_by_line(trace, file, metric='total'):
    """{line: {type: blocks by the metric}} of blocks of the object layer."""
    out = {}
    doc = harness.report('sites', '--by', 'line', '--metric', metric, '--layer', 'object', '--top', '0', trace)
    for r in doc['rows']:
        if r['site'] and r['site']['file'] == file:
            line = out.setdefault(r['site']['line'], {})
            for t in r['types']:
                line[t['type']] = line.get(t['type'], 0) + t['blocks']
    return out


def wrong(got, expected):
    """What differs: the counts that are expected, and types of the program that a line did not make."""
    out = {}
    for line, kinds in expected.items():
        have = got.get(int(line), {})
        for kind in set(kinds) | {k for k in have if k.startswith('__main__.')}:
            if have.get(kind, 0) != kinds.get(kind, 0):
                out[line, kind] = (have.get(kind, 0), kinds.get(kind, 0))
    return out


def test_types_of_freed_blocks(python, tmp):
    done = run(python, tmp, 'kinds').check()
    assert not done.err, done.err
    bad = wrong(types_by_line(done.trace, '<kinds>'), json.loads(done.out))
    assert not bad, bad
