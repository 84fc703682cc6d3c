# SPDX-License-Identifier: Apache-2.0
"""lines_oracle: what an interpreter itself says of its line tables.

Run by each interpreter: compiles the standard library and writes to files given as arguments: (1) records for
lines_probe, (2) the answers that it should give. Positions that the interpreter does not have are 0 (lines) and -1 (columns).
"""
import dis
import os
import struct
import sys

LNOTAB, TABLE_310, TABLE_311 = 1, 2, 3
LIMIT = int(sys.argv[3])


def code_objects(code):
    todo = [code]
    while todo:
        c = todo.pop()
        yield c
        todo.extend(k for k in c.co_consts if hasattr(k, 'co_code'))


def answers_311(c):
    for line, end_line, column, end_column in c.co_positions():
        yield (line or 0, end_line or 0, -1 if column is None else column, -1 if end_column is None else end_column)


def answers_310(c):
    """co_lines() gives ranges, and None for no line."""
    lines = [0] * (len(c.co_code) // 2)
    for start, end, line in c.co_lines():
        for i in range(start // 2, min(end // 2, len(lines))):
            lines[i] = line or 0
    return [(n, n, -1, -1) for n in lines]


def answers_lnotab(c):
    starts, at, line = dict(dis.findlinestarts(c)), [], c.co_firstlineno
    for offset in range(0, len(c.co_code), 2):
        line = starts.get(offset, line)
        at.append((line, line, -1, -1))
    return at


def sources():
    root = os.path.dirname(os.__file__)
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ('site-packages', 'dist-packages', '__pycache__'))
        for name in sorted(files):
            if name.endswith('.py'):
                yield os.path.join(folder, name)


def main():
    if sys.version_info >= (3, 11):
        kind, answers, table = TABLE_311, answers_311, 'co_linetable'
    elif sys.version_info >= (3, 10):
        kind, answers, table = TABLE_310, answers_310, 'co_linetable'
    else:
        kind, answers, table = LNOTAB, answers_lnotab, 'co_lnotab'
    n = 0
    with open(sys.argv[1], 'wb') as records, open(sys.argv[2], 'wb') as expected:
        for path in sources():
            try:
                with open(path, 'rb') as f:
                    top = compile(f.read(), path, 'exec', dont_inherit=True)
            except (SyntaxError, ValueError):
                continue  # some sources of the test suite are wrong on purpose
            for c in code_objects(top):
                data = getattr(c, table)
                records.write(struct.pack('<4I', c.co_firstlineno, kind, len(data), len(c.co_code)) + data)
                for answer in answers(c):
                    expected.write(struct.pack('<4i', *answer))
                    n += 1
            if LIMIT and n > LIMIT:
                break
    print(n)


main()
