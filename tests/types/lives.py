# SPDX-License-Identifier: Apache-2.0
"""Objects of types with free lists, each type's on a line of its own: says {line: {type: how many were made}}."""
import json
import sys

N = 500
expected = {}


def run(line, source):
    exec(compile('\n' * (line - 1) + source, '<lives>', 'exec'), globals())


def pair(i):
    return (i, i)


CASES = [
    ('[i]', 'list'),
    ('{}', 'dict'),
    ('1.5 * i', 'float'),
    ('pair(i)', None),
    ('slice(i)', 'slice'),
]
if sys.version_info >= (3, 14):
    CASES += [('range(i)', 'range'), ('pair.__call__', None)]
for line, (make, kind) in enumerate(CASES, 10):
    run(line, 'for i in range(300, 300 + N): %s' % make)
    if kind:
        expected[line] = {kind: N + (kind == 'range')}  # the loop's own
kept = [float(i) for i in range(50)]
print(json.dumps(expected))
