# SPDX-License-Identifier: Apache-2.0
"""formats/FORMAT.md says the truth: its worked example is what the code writes, and a reader written from it alone agrees."""
import os
import re
import subprocess

import harness
import tracefile
import truths


def example(tmp):
    path = os.path.join(tmp, 'example.pytrace')
    subprocess.check_call([harness.built('format/example'), path])
    return path


def dump_lines():
    with open(os.path.join(harness.TOP, 'formats', 'FORMAT.md'), encoding='utf-8') as f:
        text = f.read()
    for m in re.finditer(r'^    ([0-9a-f]{8})  ((?:[0-9a-f]{2} {1,2})+)\|', text, re.M):
        yield int(m.group(1), 16), bytes.fromhex(m.group(2))


def test_worked_example_is_what_the_code_writes(tmp):
    with open(example(tmp), 'rb') as f:
        data = f.read()
    shown = dict(dump_lines())
    assert len(shown) > 80
    for at in range(0, len(data), 16):
        want = data[at:at + 16]
        assert shown.get(at, bytes(16)) == want, 'at 0x%x FORMAT.md shows %s, the file has %s' % (
            at, shown.get(at, b'').hex(), want.hex())
    assert max(shown) < len(data)


def test_worked_example_read_by_the_independent_reader(tmp):
    t = tracefile.TraceFile(example(tmp))
    assert t.is_complete() and t.meta == {'program': 'app.py'} and t.schemas == 1
    serve = [('app.py', 2, 4, 'serve')]
    a, b = 0x7f0000001000, 0x7f0000001040
    got = [(t.name(op), x, y, t.stack(stack), ns) for _, op, x, y, stack, ns in t.events()]
    assert got == [
        ('run', 1, 1000, [], 1000), ('thread', 4242, 0, [], 1000), ('alloc object', a, 64, serve, 1000),
        ('alloc object', b, 64, serve, 1000), ('free object', a, 0, serve, 1000), ('alloc object', a, 64, serve, 1000),
        ('map mmap', 0x7e0000000000, 8192, [], 1000), ('alloc malloc', 0x7c0000000010, 1 << 32, serve, 1000),
        ('time', 0, 2000, [], 2000), ('end', 4242, 0, [], 2000)], got
    assert t.footer == {'n_events': 10, 'n_defs': 5, 'n_blocks': 2, 'n_threads': 1, 'duration_ns': 2000, 'n': 13,
                        'ops': {1: 1, 4: 3, 20: 1, 80: 1, 128: 1, 129: 1, 137: 1, 138: 1, 192: 1, 193: 1, 195: 1,
                                196: 1, 197: 1}}


def test_worked_example_read_by_the_analyzer(tmp):
    doc = harness.report('info', example(tmp))
    assert doc['complete'] and doc['process']['pid'] == 4242 and doc['ended'] == 'exit', doc
    rows = {}
    for layer in 'object', 'malloc', 'mmap':
        for r in truths.analyzer_rows(example(tmp), layer):
            rows[layer, r.stack[0] if r.stack else None] = r.live
    serve = ('app.py', 2, 4, 'serve')
    assert rows == {('object', serve): (128, 2), ('malloc', serve): (1 << 32, 1), ('mmap', None): (8192, 1)}, rows
