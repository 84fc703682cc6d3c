# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear one-line error or an honest partial report, the right exit code, never a crash, a hang, or much memory."""
import json
import os
import random
import resource
import struct
import subprocess
import time

import harness
import tracefile
import tracewriter
from tracewriter import Writer, code, frame, slot

RUN, TIME, THREAD = 128, 129, 137
MALLOC, FREE, MAP, OBJECT = 1, 17, 80, 4
GIB = 1 << 30
M32 = tracefile.M32


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (2 * GIB, 2 * GIB))


def ask(command, path, *args, seconds=30):
    """Runs `pytrace COMMAND --json`; the exit code must be one that it documents. Returns (code, document or message)."""
    form = ['--format', 'folded'] if command == 'export' else ['--json']
    p = subprocess.Popen([harness.PYTRACE, command] + form + list(args) + [path], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=limit_memory)
    try:
        out, err = p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.communicate()
        raise AssertionError('%s hangs on %s' % (command, path))
    err = err.decode('utf-8', 'replace')
    assert p.returncode in (0, 3, 4), '%s %s: exit status %d: %s' % (command, path, p.returncode, err[-800:])
    if p.returncode == 3:
        assert len(err.splitlines()) == 1 and err.startswith('pytrace: '), (command, path, err[:500])
        assert not out.strip(), out[:200]
        return 3, err.strip()
    out = out.decode('utf-8', 'strict')
    return p.returncode, json.loads(out, object_pairs_hook=harness.unique) if command != 'export' else out


def save(tmp, data, name='bad.pytrace'):
    path = os.path.join(tmp, name)
    with open(path, 'wb') as f:
        f.write(data)
    return path


def example(tmp):
    path = os.path.join(tmp, 'example.pytrace')
    subprocess.check_call([harness.built('format/example'), path])
    with open(path, 'rb') as f:
        return f.read()


def real_trace(tmp, kill=False):
    """A trace of a short program with two threads; or of one that was killed."""
    text = ('import _thread, os\nx = []\ndone = _thread.allocate_lock()\ndone.acquire()\n'
            'def f(n):\n    x.append([bytes(i) for i in range(n)])\n    n == 300 and done.release()\n'
            '_thread.start_new_thread(f, (300,))\nf(200)\ndone.acquire()\n')
    if kill:
        text += 'os.kill(os.getpid(), 9)\n'
    done = harness.run_traced([harness.PYTHONS[-1].path, '-S', '-c', text], tmp)
    assert done.returncode == (-9 if kill else 0), done.err
    with open(done.trace, 'rb') as f:
        return f.read()


def reseal(page):
    page = bytearray(page)
    page[584:592] = struct.pack('<Q', tracefile.xxh3(page[:584]))
    return bytes(page)


# ---- no trace at all ----

NO_TRACE = {
    'empty': b'', 'one byte': b'P', 'text': b'hello\n' * 1000, 'zeros': bytes(100000), 'an ELF file': b'\x7fELF' + bytes(5000),
    'magic alone': b'PYTRACE\n', 'short front page': b'PYTRACE\n' + bytes(500), 'python': b'import os\n' * 500,
}


@harness.cases(*NO_TRACE)
def test_no_trace(tmp, case):
    for command in 'info', 'sites', 'leaks', 'summary', 'dump', 'export', 'arenas', 'check':
        status, message = ask(command, save(tmp, NO_TRACE[case]))
        assert status == 3 and 'bad.pytrace' in message, (command, status, message)


def test_no_file(tmp):
    for path in os.path.join(tmp, 'nothing.pytrace'), tmp, '/dev/null':
        status, message = ask('info', path)
        assert status == 3 and path in message, message


def test_unreadable_file(tmp):
    path = save(tmp, b'x')
    os.chmod(path, 0)
    if os.geteuid() == 0:
        raise harness.Skip('root may read everything')
    status, message = ask('info', path)
    assert status == 3 and 'ermission' in message, message


def test_version_from_the_future(tmp):
    page = bytearray(example(tmp))
    page[8:10] = struct.pack('<H', 2)
    status, message = ask('info', save(tmp, reseal(page)))
    assert status == 3 and '2' in message and 'version' in message, message


@harness.cases(0, 5, 31)
def test_unknown_flags(tmp, case):
    page = bytearray(example(tmp))
    page[12:16] = struct.pack('<I', 1 << case)
    status, message = ask('info', save(tmp, reseal(page)))
    assert status == 3 and 'flag' in message, message
    page[12:16] = bytes(4)
    page[16:20] = struct.pack('<I', 1 << case)
    status, doc = ask('info', save(tmp, reseal(page)))
    assert status == 0 and doc['complete'], doc


@harness.cases('info', 'sites', 'leaks', 'summary', 'dump', 'arenas', 'run')
def test_wrong_usage(case):
    for args in ([case, '--no-such-option'], [case], ['no-such-command'], [case, '--output']):
        done = harness.pytrace(*args, status=2)
        assert done.err.startswith('pytrace') and len(done.err.splitlines()) <= 3, done.err
        assert not done.out, done.out


def test_require_complete(tmp):
    path = save(tmp, real_trace(tmp, kill=True))
    assert ask('info', path)[0] == 0 and ask('info', path, '--require-complete')[0] == 4
    assert ask('info', save(tmp, example(tmp)), '--require-complete')[0] == 0


# ---- damaged traces ----

def rows(doc):
    return sorted(json.dumps(r, sort_keys=True) for r in doc['rows'])


def judge(tmp, data, want, what):
    """The report of damaged data equals that of the whole, or says that it is not complete, or is refused."""
    status, doc = ask('sites', save(tmp, data), '--by', 'stack', '--top', '0', '--metric', 'total')
    if status == 3:
        return 'refused'
    t = doc['trace'][0]
    if not t['complete']:
        assert t['missing'], '%s: incomplete, and not a word why' % what
        return 'incomplete'
    assert rows(doc) == want, '%s: the report differs and claims to be complete' % what
    return 'same'


def whole(tmp, data):
    status, doc = ask('sites', save(tmp, data), '--by', 'stack', '--top', '0', '--metric', 'total')
    assert status == 0
    return rows(doc)


@harness.timeout(400)
def test_every_byte_corrupted(tmp):
    """Each meaningful byte of the worked example in turn. The x_ fields are not covered by a checksum: they may change
    what `info` says of the end, never crash it."""
    data = example(tmp)
    want, seen = whole(tmp, data), {}
    meaningful = [i for i in range(len(data)) if i < 0x260 and (data[i] or i < 696) or 0x260 <= i < 696 or
                  0x1000 <= i < 0x1080 or i >= 0x3000]
    for i in meaningful:
        for change in (0xff, 0x01) if i % 4 == 0 else (0x80,):
            bad = bytearray(data)
            bad[i] ^= change
            if 592 <= i < 696:
                ask('info', save(tmp, bytes(bad)))
                continue
            result = judge(tmp, bytes(bad), want, 'byte 0x%x ^ 0x%x' % (i, change))
            seen[result] = seen.get(result, 0) + 1
    assert seen.get('incomplete', 0) > 300, seen


@harness.cases('ended', 'killed')
@harness.timeout(400)
def test_real_trace_corrupted(tmp, case):
    data = real_trace(tmp, kill=case == 'killed')
    rng, want = random.Random(case), None
    for n in range(30):  # tests/fuzz does the same within one process, with sanitizers, and 500 times
        bad = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 5, 100))):
            bad[rng.randrange(696, len(bad))] = rng.randrange(256)
        if n % 5 == 0:
            at, size = rng.randrange(4096, len(bad)), rng.randrange(1, 10000)
            bad[at:at + size] = bytes(len(bad[at:at + size]))
        status, doc = ask('sites', save(tmp, bytes(bad)), '--by', 'stack')
        if status == 0 and case == 'ended' and doc['trace'][0]['complete'] and bad != data:
            want = want or whole(tmp, data)
            assert judge(tmp, bytes(bad), want, n) == 'same', n


@harness.cases('ended', 'killed')
@harness.timeout(400)
def test_truncated(tmp, case):
    data = real_trace(tmp, kill=case == 'killed')
    lengths = sorted(set(list(range(0, 800, 41)) + [4095, 4096, 4097, 4096 + 79, 4096 + 80, len(data) - 1, len(data) - 16] +
                         [len(data) * i // 60 for i in range(60)]))
    last = -1
    for n in lengths:
        status, doc = ask('info', save(tmp, data[:n]))
        if n < 696:
            assert status == 3, (n, status)
            continue
        if status == 0:
            assert not doc['complete'], 'cut at %d of %d and complete' % (n, len(data))
            if case == 'ended':
                assert doc['events']['recorded'] >= last, 'fewer events from more bytes, at %d' % n
                last = doc['events']['recorded']
    assert last > 1000 or case == 'killed', last


def test_appended_garbage(tmp):
    """What lies beyond x_file_end is not the trace's."""
    data = example(tmp)
    assert judge(tmp, data + b'garbage' * 1000, whole(tmp, data), 'garbage at the end') == 'same'


def test_block_lost_in_the_middle(tmp):
    """One block of many damaged costs itself: the rest is counted."""
    w = Writer().start()
    for n in range(20):
        w.events([(RUN, n + 1, n * 10, 0)] + [(MALLOC, 0x1000 * (n + 1) + 16 * i, 10, 0) for i in range(50)], first_run=n)
    data = bytearray(w.footer(1020, 2, 21).bytes())
    t = tracefile.TraceFile(save(tmp, bytes(data)))
    tenth = [b for b in t.blocks if b.kind == tracefile.EVENTS][10]
    for at in tenth.at + 20, tenth.at + 81:
        bad = bytearray(data)
        bad[at] ^= 0x55
        status, doc = ask('info', save(tmp, bytes(bad)))
        assert status == 0 and not doc['complete'] and doc['events']['recorded'] == 1020 - 51, doc['events']
        assert doc['trace'][0]['missing'], doc


# ---- hostile traces: well-formed on the outside ----

def frames(n, parent_of):
    return [(195, 1, code('a.py', 'f'))] + [(197, i, frame(parent_of(i), 1)) for i in range(1, n + 1)]


def hostile():
    event = [(RUN, 1, 10, 0)]
    yield 'frame is its own parent', Writer().start().defs(frames(1, lambda i: i)).events(event + [(MALLOC, 16, 1, 1)])
    yield 'frames in a ring', Writer().start().defs(frames(3, lambda i: i % 3 + 1)).events(event + [(MALLOC, 16, 1, 2)])
    yield 'frame without code', Writer().start().defs([(197, 1, frame(0, 9))]).events(event + [(MALLOC, 16, 1, 1)])
    yield 'stack not defined', Writer().start().events(event + [(MALLOC, 16, 1, 12345)])
    yield 'greatest ids', Writer().start().defs([(195, (1 << 48) - 1, code('a', 'b')), (197, (1 << 48) - 1, frame(M32, M32))]) \
        .events(event + [(MALLOC, 16, 1, M32)])
    yield 'id of two thousand million', Writer().start().defs([(195, 2000000000, code('a', 'b')),
                                                               (197, 2000000001, frame(2000000000, 2000000000))]) \
        .events(event + [(MALLOC, 16, 1, 2000000001)])
    yield 'deep stack', Writer().start().defs(frames(200000, lambda i: i - 1)).events(event + [(MALLOC, 16, 1, 200000)])
    yield 'names too long', Writer().start().defs([(195, 1, code('a', 'b')[:8] + b'\xff\xff\xff\xff' + b'\x03' + bytes(3)),
                                                   (197, 1, frame(0, 1))]).events(event + [(MALLOC, 16, 1, 1)])
    yield 'code of three bytes', Writer().start().defs([(195, 1, b'abc'), (196, 1, b'abc'), (197, 1, frame(0, 1))]) \
        .events(event + [(MALLOC, 16, 1, 1)])
    yield 'table of 4 GiB', Writer().start().defs([(195, 1, code('a', 'b', table_bytes=M32, kind=3)), (197, 1, frame(0, 1))]) \
        .events(event + [(MALLOC, 16, 1, 1)])
    yield 'tail without code', Writer().start().defs([(196, 5, b'tail')]).events(event)
    for kind in 1, 2, 3, 4, 255:
        for name, table in ('ff', b'\xff' * 100), ('80', b'\x80' * 101), ('f8', b'\xf8' * 50), ('cut', b'\xf0\xff\xff\xff\xff'):
            yield 'line table %d of %s' % (kind, name), Writer().start().defs(
                [(195, 1, code('a', 'b', M32, table, kind)), (197, 1, frame(0, 1, 40)), (197, 2, frame(0, 1, M32 - 1))]) \
                .events(event + [(MALLOC, 16, 1, 1), (MALLOC, 32, 1, 2)])
    yield 'names that are not UTF-8', Writer().start().defs([(195, 1, struct.pack('<IIHHB3x', 1, 0, 4, 4, 0) + b'\xff\xfe\x00\n\x1b[31'),
                                                            (197, 1, frame(0, 1))]).events(event + [(MALLOC, 16, 1, 1)])
    yield 'meta of odd kinds', Writer().start().defs([(192, 0, b'argv=' + b'\0' * 5000), (192, 0, b'noequals'), (192, 0, b''),
                                                     (192, 0, b'=x'), (192, 0, b'python.hexversion=zzz'), (192, 0, b'program=\xff\xfe')]).events(event)
    yield 'schema that makes events of definitions', Writer().start().defs([(193, 0, b'197 PAIR frame\n192 ALLOC meta\n')]).events(event)
    yield 'schema of garbage', Writer().defs([(193, 0, os.urandom(5000))]).events(event)
    yield 'run numbers go down', Writer().start().events([(RUN, n, 10, 0) for n in range(100, 0, -1)])
    yield 'run numbers of two threads', Writer().start().events(event * 5 + [(MALLOC, 16, 1, 0)]).events(event + [(FREE, 16, 0, 0)], thread=2)
    yield 'greatest run', Writer().start().events([(RUN, (1 << 48) - 1, (1 << 64) - 1, 0), (MALLOC, 16, 1, 0)], first_run=(1 << 64) - 1,
                                                  first_ns=(1 << 64) - 1)
    yield 'sizes that overflow', Writer().start().events(event + [(MALLOC, 16 * i, (1 << 64) - 1, 0) for i in range(1, 50)])
    yield 'mapping to the end of the world', Writer().start().events(event + [(MAP, (1 << 48) - 4096, (1 << 64) - 1, 0), (MAP + 16, 0, (1 << 64) - 1, 0),
                                                                            (MAP, 0, (1 << 64) - 1, 0), (MAP + 16, 4096, 1, 0), (MAP + 32, 0, 0, 0)])
    yield 'moves that do not fit', Writer().start().events(event + [(49, 16, 5, 0), (33, 16, 0, 0), (33, 32, 0, 0), (65, 7, 0, 0), (49, 8, 3, 0), (65, 0, 0, 0)])
    yield 'freed twice', Writer().start().events(event + [(MALLOC, 16, 5, 0), (FREE, 16, 0, 0), (FREE, 16, 0, 0), (MALLOC, 16, 5, 0), (MALLOC, 16, 9, 0)])
    yield 'forks of nobody', Writer(parent_id=5, fork_serial=7, parent_file=b'../../etc/passwd').start().events(
        event + [(131, 1, 0, 0), (132, 9, 1, 0), (132, (1 << 48) - 1, (1 << 64) - 1, 0)])
    yield 'ends and starts of Python', Writer().start().events(event + [(134, 0, 0, 0)] * 5 + [(133, 0, 0, 0), (134, 0, 0, 0), (139, 5, 0, 0), (135, 99, 1 << 60, 0)])
    yield 'a thousand threads', _threads(1000)
    yield 'events claimed', Writer().start().events(event, n_events=M32)
    yield 'events claimed, unpacked size too', Writer().start().events(event, n_events=M32, raw_bytes=M32, flags=1)
    yield 'definitions claimed', Writer().start().defs([(192, 0, b'a=b')], **{'last_ns': 5}).block(1, b'\xc0', n_events=M32)
    yield 'slots that overflow', Writer().start().events(event, first_slot=(1 << 64) - 1, n_slots=(1 << 64) - 1)
    yield 'slots that overlap', Writer().start().events(event, first_slot=0, n_slots=100).events([(RUN, 2, 11, 0)], first_slot=50, n_slots=100)
    yield 'not zstd', Writer().start().events(event, flags=1)
    yield 'a zstd bomb', Writer().start().block(2, _bomb(), flags=1, raw_bytes=100, n_events=10)
    yield 'a bomb as large as allowed', Writer().start().block(2, _bomb(), flags=1, raw_bytes=64 << 20, n_events=64 << 20)
    yield 'unknown kind and flag', Writer().start().block(77, b'later').block(2, b'later', flags=0x8000).events(event).footer(1, 2, 2)
    yield 'a block over the end', Writer().start().block(2, b'', stored_bytes=M32)
    yield 'footer of nonsense', Writer().start().events(event).block(5, b'\xff' * 48).block(5, b'\xff' * 100).block(5, b'')
    yield 'two footers', Writer().start().footer().events(event).footer(9, 9, 9, [(5, 5)] * 300)
    yield 'file end before the blocks', Writer(x_file_end=17).start().events(event)
    yield 'file end in the sky', Writer(x_file_end=(1 << 64) - 1).start().events(event)
    yield 'page of one byte', Writer(page_bytes=1).start().events(event)
    yield 'header of no bytes', Writer(header_bytes=0).start().events(event)
    yield 'header beyond the file', Writer(header_bytes=65520).start().events(event)
    yield 'states unknown', Writer(x_state=99, x_ended=99, x_stop=99, x_exit_status=-5).start().events(event)
    yield 'program without an end', Writer(program=b'\xff' * 256, parent_file=b'/' * 256).start().events(event)
    good = [slot(RUN, 5, 50), slot(MALLOC, 16, 7, 0), slot(130, 0, 1 << 40), slot(MALLOC, 64, M32, 0)]
    yield 'ring head beyond its end', Writer(x_state=1).start().ring(good, head=(1 << 64) - 1)
    yield 'ring larger than its block', Writer(x_state=1).start().ring(good, n_slots=M32)
    yield 'ring slots before its block', Writer(x_state=1).start().ring(good, offset=0)
    yield 'ring slots far away', Writer(x_state=1).start().ring(good, offset=M32)
    yield 'ring base at the end of numbers', Writer(x_state=1).start().ring(good, base=(1 << 64) - 2)
    yield 'ring of garbage', Writer(x_state=1).start().ring([os.urandom(16) for _ in range(500)])
    yield 'ring definition without end', Writer(x_state=1).start().ring(good + [slot(192, 0, (1 << 64) - 1)])
    yield 'ring frame of no words', Writer(x_state=1).start().ring(good + [slot(197, 1, 0), slot(197, 2, 17), bytes(32)])
    yield 'ring size64 at the end', Writer(x_state=1).start().ring(good + [slot(130, 0, 5)])
    yield 'two rings of one thread', Writer(x_state=1).start().ring(good).ring(good)
    yield 'no blocks', Writer()


def _threads(n):
    w = Writer().start()
    for t in range(1, n + 1):
        w.events([(RUN, t, t, 0), (THREAD, t, 0, 0), (MALLOC, 16 * t, 10, 0)], thread=t)
    return w


def _bomb():
    """A zstd frame of a few KiB that unpacks to 64 MiB of zeros: RLE blocks of 128 KiB."""
    blocks = 512
    body = b''.join(struct.pack('<I', (128 << 10) << 3 | 1 << 1 | (i == blocks - 1))[:3] + b'\0' for i in range(blocks))
    return b'\x28\xb5\x2f\xfd\xa0' + struct.pack('<I', blocks * (128 << 10)) + body


def test_hostile_bomb_is_a_bomb():
    assert tracefile.unzstd(_bomb(), 64 << 20) == bytes(64 << 20)


@harness.timeout(300)
def test_hostile(tmp):
    """Every command, on every trace that lies: an answer, in bounded time and memory."""
    wrong = []
    for name, writer in hostile():
        path = save(tmp, writer.bytes())
        for command in 'info', 'sites', 'leaks', 'summary', 'dump', 'export':
            start = time.monotonic()
            try:
                ask(command, path)
            except AssertionError as exc:
                wrong.append('%s: %s' % (name, exc))
            if time.monotonic() - start > 10:
                wrong.append('%s: %s took %.0f s' % (name, command, time.monotonic() - start))
    assert not wrong, '%d: %s' % (len(wrong), ' | '.join(wrong[:5]))


# ---- and the writer itself is right ----

def test_writer_and_reader_agree(tmp):
    events = [(RUN, 1, 10, 0), (THREAD, 5, 0, 0), (MALLOC, 0x7f0000000010, 100, 1), (OBJECT, 0x7f0000000100, 1 << 33, 2),
              (FREE, 0x7f0000000010, 0, 1), (MAP, 0x7e0000000000, 8192, 0), (TIME, 0, 99, 0)]
    w = Writer().start().defs([(195, 1, code('x.py', 'f', 7, b'\xd8\x04\x0d', 3)), (197, 1, frame(0, 1)), (197, 2, frame(1, 1, 1))])
    w.events(events).footer(7, 5, 3)
    path = save(tmp, w.bytes())
    t = tracefile.TraceFile(path)
    assert [e[1:5] for e in t.events()] == events and t.is_complete()
    assert t.stack(2) == [('x.py', 8, 4, 'f')] * 2
    doc = harness.report('info', path)
    assert doc['complete'] and doc['events']['recorded'] == 7, doc
    got = harness.report('sites', '--by', 'stack', '--top', '0', '--layer', 'object', path)['rows']
    assert [(r['live_bytes'], [f['line'] for f in r['stack']]) for r in got] == [(1 << 33, [8, 8])], got


def test_unknown_event_is_stepped_over(tmp):
    """A later version's events: the schema in the file tells their shapes, and every number stays right."""
    shapes = dict(tracefile.SHAPES)
    shapes.update({160: 'PAIR', 170: 'ALLOC', 171: 'FREE', 172: 'RANGE'})
    w = Writer()
    w.defs([(193, 0, (tracewriter.SCHEMA_TEXT + '160 PAIR later\n170 ALLOC more\n171 FREE less\n172 RANGE wide\n').encode())])
    events = [(RUN, 1, 10, 0), (160, 5, 6, 0), (MALLOC, 160, 100, 0), (170, 1 << 40, 55, 0), (171, 3, 0, 0), (172, 4096, 4096, 0),
              (160, 7, 1 << 50, 0), (MALLOC, 320, 11, 0), (FREE, 160, 0, 0)]
    payload = tracewriter.events_payload(events, shapes)
    w.block(2, payload, n_events=len(events), n_slots=len(events)).footer(len(events), 1, 2)
    path = save(tmp, w.bytes())
    assert [e[1:5] for e in tracefile.TraceFile(path).events()] == events
    got = harness.report('sites', '--top', '0', '--layer', 'malloc', path)['rows']
    assert [(r['live_bytes'], r['total_bytes']) for r in got] == [(11, 111)], got
