# SPDX-License-Identifier: Apache-2.0
"""`pytrace arenas` down to the page: pools and size classes, resident pages, and who keeps memory from going back."""
import glob
import os
import struct
import subprocess
import time

import harness
import tracewriter

POOLS = '''
import os
head = bytes(0).__sizeof__()
kept = []
for size in range(head + 7, 513, 8):
    kept += [bytes(size - head) for i in range(2000)]
    del kept[-1000::3]
kept.append([bytearray(n) for n in range(480, 20, -1)])
for b in kept[-1]:
    del b[len(b) // 2 + 1:]  # shrinks, in its place where it can
os.write(1, b'x')
os.read(0, 1)
'''


def script(tmp, text):
    path = os.path.join(tmp, 'script.py')
    with open(path, 'w') as f:
        f.write(text)
    return path


def run_script(python, tmp, text, env=None):
    return harness.run_traced([python.path, '-B', '-S', script(tmp, text)], tmp, env).check()


def pools_in_memory(pid, arenas, pool_bytes):
    """{size of blocks: [pools, blocks alive]} as the headers of all pools in a process's memory say."""
    classes, n_empty = {}, 0
    with open('/proc/%d/mem' % pid, 'rb', 0) as mem:
        for start, end in arenas:
            for pool in range(-(-start // pool_bytes) * pool_bytes, end - pool_bytes + 1, pool_bytes):
                mem.seek(pool)
                count, size_index = struct.unpack('<I32xI8x', mem.read(48))
                if count:
                    row = classes.setdefault(16 * (size_index + 1), [0, 0])
                    row[0] += 1
                    row[1] += count
                n_empty += not count
    return classes, n_empty


def stop_in_the_middle(python, tmp, text, env):
    """A program that has written a byte and waits for one, so that nothing moves any more."""
    p = subprocess.Popen([python.path, '-B', '-S', script(tmp, text)], env=harness.trace_env(tmp, **env),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.read(1) == b'x'

    def waits():
        with open('/proc/%d/stat' % p.pid) as f:
            return f.read().rpartition(')')[2].split()[0] == 'S'
    for _ in range(3):  # it may sleep for a moment where it writes
        assert harness.wait_for(waits, 10 * harness.patience())
        time.sleep(0.02)
    return p, glob.glob(os.path.join(tmp, '*.%d.pytrace' % p.pid))[0]


@harness.cases('', 'debug')
def test_pools_are_what_they_are(python, tmp, case):
    """Size classes, pools, blocks alive and arenas: exactly what the headers of all pools say in the memory of the program."""
    if python.free_threaded:
        raise harness.Skip('free-threaded builds have no pools')
    p, trace = stop_in_the_middle(python, tmp, POOLS, {'PYTHONMALLOC': case} if case else {})
    try:
        doc = harness.report('arenas', trace)
        pools, arena = doc['pools'], [x for x in doc['layers'] if x['name'] == 'arena'][0]
        arenas = [(r['address'], r['address'] + r['mapped_bytes']) for r in arena['rows']]
        truth, n_empty = pools_in_memory(p.pid, arenas, pools['pool_bytes'])
    finally:
        p.kill()
        p.communicate()
    got = {c['size']: [c['pools'], c['blocks']] for c in doc['classes']}
    assert len(truth) >= 29 and got == truth, [(s, got.get(s), truth.get(s)) for s in set(got) | set(truth) if got.get(s) != truth.get(s)]
    assert pools['empty'] + pools['unused'] == n_empty, (pools, n_empty)
    assert pools['pool_bytes'] == (16384 if python.minor >= (3, 10) else 4096) and len(arenas) == pools['arenas']
    n_pools = pools['used'] + pools['empty'] + pools['unused']
    assert n_pools * pools['pool_bytes'] + pools['lost_bytes'] == arena['mapped_bytes'], (pools, arena)
    inside = arena['live_bytes'] + sum(pools[k + '_bytes'] for k in ('header', 'tail', 'rounding', 'free', 'debug'))
    assert inside == pools['used'] * pools['pool_bytes'], (inside, pools, arena['live_bytes'])


KEEPS_FEW = '''
def build():
    many = [bytes(i % 60 + 200) for i in range(60000)]  # the line
    return many[::100]
few = build()
'''

KEEPS_FEW_IN_C = '''
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = (ctypes.c_void_p * 20000)()
def build():
    for i in range(len(blocks)):
        blocks[i] = libc.malloc(1000)  # the line
build()
for i in range(len(blocks)):
    if i % 200:
        libc.free(blocks[i])
'''


def line_of(text):
    return [n for n, line in enumerate(text.splitlines(), 1) if line.endswith('# the line')][0]


def check_rows(doc):
    """Rows and the unexplained rest are the resident bytes, exactly, and the rest is small."""
    assert doc['rss_exact'] and doc['snapshot'] == 1, doc['rss']
    assert sum(r['bytes'] for r in doc['rss']) + doc['unexplained_bytes'] == doc['rss_bytes']
    assert all(r['bytes'] % 4096 == 0 and r['bytes'] >= (r['live_bytes'] or 0) for r in doc['rss']), doc['rss']
    assert abs(doc['unexplained_bytes']) < doc['rss_bytes'] * .05, (doc['unexplained_bytes'], doc['rss'])
    return {(r['holder'], r['part']): r['bytes'] for r in doc['rss']}


def pin_of(doc, text):
    pins = [p for p in doc['pins'] if p['site']['line'] == line_of(text) and p['site']['file'].endswith('script.py')]
    assert len(pins) == 1 and pins[0] == doc['pins'][0], doc['pins'][:3]
    return pins[0]


def test_memory_that_does_not_go_back(python, tmp):
    """One in a hundred is kept: the line is named, with what would be free without it."""
    doc = harness.report('arenas', run_script(python, tmp, KEEPS_FEW).trace)
    rows, pin = check_rows(doc), pin_of(doc, KEEPS_FEW)
    size = 230 + bytes(0).__sizeof__() + (16 if python.free_threaded else 0)
    assert 600 <= pin['blocks'] < 615 and abs(pin['bytes'] / 600 - size) < 30, pin  # the line has a list and the like, too
    assert pin['pinned_bytes'] == pin['arena_bytes'] + pin['page_bytes'] + pin['top_bytes'], pin
    assert pin['pinned_bytes'] > 12 << 20 and pin['held_bytes'] < 300000, pin
    assert pin['together_bytes'] >= pin['pinned_bytes']
    if not python.free_threaded:
        arena = [x for x in doc['layers'] if x['name'] == 'arena'][0]
        # Whole arenas: those in which nothing but the line's blocks is alive.
        assert pin['arena_bytes'] % arena['rows'][0]['mapped_bytes'] == 0 and pin['arena_bytes'] <= arena['mapped_bytes'], pin
        assert pin['pinned_bytes'] <= arena['pinned_bytes'] + pin['held_bytes'], (pin, arena['pinned_bytes'])
        assert rows['arena', 'free'] > 5 << 20, rows
    text = harness.pytrace('arenas', glob.glob(os.path.join(tmp, '*.pytrace'))[0]).out
    assert 'Pins' in text and 'script.py:%d ' % line_of(KEEPS_FEW) in text and 'counted page by page' in text, text


def test_heap_of_c_that_does_not_go_back(python, tmp):
    """The same in libc's heap: what lies below the last blocks that are kept."""
    doc = harness.report('arenas', run_script(python, tmp, KEEPS_FEW_IN_C).trace)
    check_rows(doc)
    pin, malloc = pin_of(doc, KEEPS_FEW_IN_C), [x for x in doc['layers'] if x['name'] == 'malloc'][0]
    assert 100 <= pin['blocks'] <= 102 and 100000 <= pin['bytes'] < 100500, pin
    assert pin['held_bytes'] <= pin['bytes'] and pin['page_bytes'] >= 90 * 4096, pin
    assert pin['top_bytes'] > 15 << 20 and pin['arena_bytes'] == 0, pin
    assert malloc['pinned_bytes'] > 15 << 20 and malloc['mapped_bytes'] - malloc['live_bytes'] == malloc['free_bytes'], malloc


THREADS = '''
import ctypes, mmap, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
area = mmap.mmap(-1, 8 << 20)
area.write(b'x' * (3 << 20))
def work():
    for i in range(3000):
        ctypes.memset(libc.malloc(1000), 1, 1000)
    ready.wait()
    done.wait()
ready, done = threading.Barrier(4), threading.Event()
threads = [threading.Thread(target=work) for i in range(3)]
for t in threads:
    t.start()
ready.wait()
large = libc.malloc(20 << 20)
ctypes.memset(large, 1, 5 << 20)
import os
os._exit(0)
'''


def test_threads_and_mappings(python, tmp):
    """Heaps of threads, a large block of which a quarter was touched, a mapping of the program: each to its own row."""
    doc = harness.report('arenas', run_script(python, tmp, THREADS).trace)
    rows = check_rows(doc)
    assert 3 << 20 <= rows['mmap', 'all'] <= 4 << 20, rows
    assert 5 << 20 <= rows['large', 'all'] <= 7 << 20, rows
    assert 9000 * 1000 <= rows['heap', 'live'], rows
    assert rows['stack', 'all'] >= 4 * 8192 and rows['tracer', 'all'] > 0 and rows['code', 'all'] > 0, rows


def test_small_objects_and_pools(python, tmp):
    """The lesson: so many objects of each size lie in the pools of their size class, hardly one more pool than it takes; one
    byte above the limit they are malloc's."""
    if python.free_threaded:
        raise harness.Skip('free-threaded builds have no pools')
    lesson = os.path.join(harness.HERE, 'lessons', 'small_objects.py')
    doc = harness.report('arenas', harness.run_traced([python.path, '-B', lesson], tmp).check().trace)
    malloc = [x for x in doc['layers'] if x['name'] == 'malloc'][0]
    assert malloc['live_bytes'] > 2000 * 513, malloc['live_bytes']
    classes, extra = {c['size']: c for c in doc['classes']}, 24 if doc['pools']['debug_bytes'] else 0
    for size in range(48, 513, 16):
        c, per_pool = classes[size], (doc['pools']['pool_bytes'] - 48) // size
        others = c['blocks'] - 2000 * len([n for n in range(40, 513, 8) if size - 16 < n + extra <= size])
        assert 0 <= others < 20000, (size, c)
        assert c['slots'] == c['pools'] * per_pool, (size, c)
        if others < 300:  # sizes that the interpreter hardly uses: pools are full but for the last few
            assert c['pools'] - -(-c['blocks'] // per_pool) < 12, (size, c)


# ---- pages that a test makes up ----

MADE_AREAS = [  # start, pages, flags, file, runs of pages: resident, not, resident ...
    (0x400000, 16, 5, '/usr/bin/python3', [10, 6]),             # code
    (0x410000, 4, 3, '/usr/bin/python3', [4]),                  # its variables,
    (0x414000, 8, 3, '', [2, 1, 5]),                            # those that start as zeros
    (0x1000000, 64, 3, '[heap]', [40, 20, 4]),
    (0x7f0000000000, 32, 3, '', [32]),                          # a heap of a thread, at a multiple of 64 MiB,
    (0x7f0000020000, 16352, 0, '', []),                         # and what is not opened of it
    (0x7f0010000000, 256, 3, '', [100, 0, 100]),                # an arena
    (0x7f0020000000, 100, 3, '', [80]),                         # a large block
    (0x7f0030000000, 1, 0, '', []), (0x7f0030001000, 20, 3, '', [0, 16, 4]),  # a stack and what guards it
    (0x7f0040000000, 50, 3, '', [50]),                          # tracer's in part, in part nobody's
    (0x7f0050000000, 10, 3, '', [10]),                          # the program's
    (0x7f0060000000, 3, 11, '/tmp/data', [3]),                  # a file that it mapped
    (0x7ffff0000000, 2, 5, '[vdso]', [1]),
]


def snapshot_payload(areas, facts):
    strings, out = {}, bytearray()

    def string(text):
        if text and text not in strings:
            strings[text] = len(strings) + 1
            out.extend(b'\1' + tracewriter.varint(len(text)) + text.encode())
        return strings.get(text, 0)

    for key, value in facts:
        number = string(key)
        out.extend(b'\6' + tracewriter.varint(number) + tracewriter.varint(value))
    for start, pages, flags, file, runs in areas:
        number = string(file)
        fields = [start, pages, flags, number, sum(runs[::2]), len(runs)] + runs
        out.extend(b'\7' + b''.join(map(tracewriter.varint, fields)))
    out.extend(b'\x08\0\0\0')
    return bytes(out), len(strings) + len(facts) + len(areas) + 1


def made(tmp, areas, facts, events, *args):
    w = tracewriter.Writer().start()
    w.defs([(192, 0, b'python.hexversion=0x030c01f0'), (192, 0, b'allocator=libc')])
    w.events(events)
    payload, n = snapshot_payload(areas, facts)
    w.block(6, payload, n_events=n, thread=0, first_slot=1, n_slots=0, first_ns=10, last_ns=10)
    path = os.path.join(tmp, 'made.pytrace')
    with open(path, 'wb') as f:
        f.write(w.footer().bytes())
    return harness.report('arenas', *args, path)


def made_events():
    arena, object_layer, malloc, mmap, file = 5, 4, 1, 0x50, 0x56
    yield arena, 0x7f0010000000, 1 << 20, 0
    # A pool of blocks of 64 bytes, of which some are alive on its first and its third page; one with none on its first page.
    for offset in (48, 112, 48 + 64 * 130):
        yield object_layer, 0x7f0010000000 + offset, 60, 0
    yield object_layer, 0x7f0010004000 + 48 + 64 * 100, 64, 0
    yield malloc, 0x1000010, 5000, 0
    yield malloc, 0x1000010 + 39 * 4096, 100, 0
    yield malloc, 0x7f0000000030, 4000, 0
    yield malloc, 0x7f0020000010, 99 * 4096, 0
    yield mmap, 0x7f0050000000, 10 * 4096, 0
    yield file, 0x7f0060000000, 3 * 4096, 0
    yield 136, 0, 400 * 4096, 0  # resident
    yield 142, 1, 1, 0  # the snapshot, at the exit
    yield 134, 0, 0, 0


def test_every_page_is_counted_once(tmp):
    doc = made(tmp, MADE_AREAS, [('tracer 7f0040000000', 30 * 4096), ('reason', 1)], list(made_events()))
    pages = {(r['holder'], r['part']): r['bytes'] / 4096 for r in doc['rss']}
    assert pages == {
        ('arena', 'live'): 3, ('arena', 'headers'): 1, ('arena', 'free'): 196, ('heap', 'live'): 2 + 1 + 1,
        ('heap', 'free'): 44 - 3 + 32 - 1, ('large', 'all'): 80, ('mmap', 'all'): 10, ('file', 'all'): 3,
        ('stack', 'all'): 4, ('data', 'all'): 4 + 7, ('code', 'all'): 10, ('kernel', 'all'): 1, ('tracer', 'all'): 30}, pages
    counted = sum(pages.values())
    assert doc['rss_exact'] and doc['rss_bytes'] == 400 * 4096 and doc['unexplained_bytes'] == (400 - counted) * 4096
    live = {r['holder']: r['live_bytes'] for r in doc['rss'] if r['live_bytes']}
    assert live == {'arena': 3 * 60 + 64, 'heap': 9100, 'large': 80 * 4096 - 16}, live
    assert {c['size']: (c['pools'], c['blocks']) for c in doc['classes']} == {64: (2, 4)}, doc['classes']
    heaps = [x for x in doc['layers'] if x['name'] == 'malloc'][0]
    assert [(r['address'], r['live_blocks']) for r in heaps['rows']] == [(0x1000000, 2), (0x7f0000000000, 1)], heaps
    # One line made them all: it pins the arena, the pages of the heaps, and what is free below them.
    assert len(doc['pins']) == 1 and doc['pins'][0]['arena_bytes'] == 1 << 20, doc['pins']
    assert doc['pins'][0]['page_bytes'] == 4 * 4096 and doc['pins'][0]['top_bytes'] == 37 * 4096, doc['pins']


def test_snapshots_of_other_moments(python, tmp):
    """The moment of a snapshot that is named; one that is not there is told."""
    text = 'import gc\nkept = [bytearray(10000) for i in range(3000)]\ngc.collect()\ndel kept\n'
    done = run_script(python, tmp, text, {'PYTRACE_SNAPSHOT': 'gc,exit'})
    infos = harness.report('info', done.trace)['snapshots']
    during = [s['id'] for s in infos if s['reason'] == 'gc' and s['complete']]
    assert during and infos[-1]['reason'] == 'exit', infos
    most = [harness.report('arenas', '--snapshot', str(n), done.trace) for n in during]
    peak = max(most, key=lambda doc: doc['rss_bytes'])
    end = harness.report('arenas', done.trace)
    assert peak['rss_exact'] and end['rss_exact'] and end['snapshot'] == infos[-1]['id'], end['snapshot']
    live = [sum(x['live_bytes'] for x in doc['layers']) for doc in (peak, end)]
    assert live[0] - live[1] > 3000 * 10000 - (4 << 20) and peak['rss_bytes'] > live[0], (live, peak['rss_bytes'])
    if not python.free_threaded:  # mimalloc keeps it for a while
        assert peak['rss_bytes'] - end['rss_bytes'] > 20 << 20, (peak['rss_bytes'], end['rss_bytes'])
    assert sum(r['bytes'] for r in peak['rss']) + peak['unexplained_bytes'] == peak['rss_bytes']
    assert abs(peak['unexplained_bytes']) < peak['rss_bytes'] * .05, peak['unexplained_bytes']
    done = harness.pytrace('arenas', '--snapshot', '99', done.trace, status=3)
    assert 'there is no snapshot 99' in done.err, done.err


def test_without_a_snapshot(python, tmp):
    doc = harness.report('arenas', run_script(python, tmp, KEEPS_FEW, {'PYTRACE_SNAPSHOT': 'off'}).trace)
    assert not doc['rss_exact'] and doc['snapshot'] is None and doc['rss_bytes'] > 0
    assert sum(r['bytes'] for r in doc['rss']) + doc['unexplained_bytes'] == doc['rss_bytes']
    if not python.free_threaded:
        assert pin_of(doc, KEEPS_FEW)['arena_bytes'] > 12 << 20
