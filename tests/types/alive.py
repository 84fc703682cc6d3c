# SPDX-License-Identifier: Apache-2.0
"""Objects that are alive when the process ends without the interpreter's taking itself down: {line: {type: how many}}."""
import json
import os
import sys

N = 300
kept, expected = [], {}


class Plain:
    pass


class Slots:
    __slots__ = ('x',)


class SubList(list):
    pass


def run(line, source):
    exec(compile('\n' * (line - 1) + source, '<alive>', 'exec'), globals())


CASES = [
    ('Plain()', '__main__.Plain'),
    ('Slots()', '__main__.Slots'),
    ('SubList()', '__main__.SubList'),
    ('set((i,))', 'set'),
    ('bytes(700)', 'bytes'),
    ('"x" * (900 + i)', 'str'),
    ('object()', 'object'),
    ('lambda: None', 'function'),
    ('complex(1, i)', 'complex'),
    ('KeyError(1)', 'KeyError'),
]
for line, (make, kind) in enumerate(CASES, 10):
    run(line, 'for i in range(N): kept.append(%s)' % make)
    expected[line] = {kind: N}
print(json.dumps(expected))
sys.stdout.flush()
os._exit(0)
