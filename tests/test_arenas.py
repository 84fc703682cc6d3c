# SPDX-License-Identifier: Apache-2.0
"""`pytrace arenas`: what is mapped, what of it is alive; the allocators' own figures."""
import os

import harness
import test_allocators
import tracewriter

ARENA, HEAP, MALLOC, OBJECT, MMAP, RSS, FINI, FIGURE, STRING, META = 5, 8, 1, 4, 0, 136, 134, 141, 194, 192

SCRIPT = '''
import ctypes, os
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
kept = [libc.malloc(100000) for i in range(500)]
for p in kept:
    ctypes.memset(p, 1, 100000)
many = [bytes(i % 90 + 10) for i in range(300000)]
few = many[::997]
del many
print(int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE'))
'''


def layer(doc, name):
    return [x for x in doc['layers'] if x['name'] == name][0]


def made(tmp, events, strings=(), facts=()):
    w = tracewriter.Writer().start()
    w.defs([(META, 0, fact.encode()) for fact in facts])
    w.defs([(STRING, i + 1, s.encode()) for i, s in enumerate(strings)])
    w.events(events)
    path = os.path.join(tmp, 'made.pytrace')
    with open(path, 'wb') as f:
        f.write(w.footer().bytes())
    return harness.report('arenas', path)


def test_blocks_lie_in_areas(tmp):
    doc = made(tmp, [
        (ARENA, 0x100000, 0x40000, 0), (ARENA, 0x200000, 0x40000, 0),  # allocations of layer arena
        (OBJECT, 0x100000, 100, 0), (OBJECT, 0x13fff0, 16, 0), (OBJECT, 0x140000, 7, 0), (OBJECT, 0x200010, 50, 0),
        (1 << 4 | OBJECT, 0x200010, 0, 0),
        (5 << 4 | HEAP, 0x1000000, 0x100000, 0), (MALLOC, 0x1000100, 1000, 0), (MALLOC, 0x5000000, 300, 0),
        (5 << 4 | MMAP, 0x8000000, 0x3000, 0),
        (RSS, 0, 0x900000, 0), (FIGURE, 1, 11, 0), (FIGURE, 2, 40, 0), (FIGURE, 1, 12, 0), (FIGURE, 3, 100, 0),
        (FINI, 0, 0, 0),
        (1 << 4 | OBJECT, 0x100000, 0, 0), (FIGURE, 1, 99, 0), (RSS, 0, 5, 0)],
        ['jemalloc/active', 'jemalloc/class 64/live', 'jemalloc/class 64/mapped'])
    arena, malloc = layer(doc, 'arena'), layer(doc, 'malloc')
    assert (arena['mapped_bytes'], arena['live_bytes'], arena['free_bytes']) == (0x80000, 116, 0x80000 - 116), arena
    assert [(r['address'], r['live_bytes'], r['live_blocks']) for r in arena['rows']] == [(0x100000, 116, 2), (0x200000, 0, 0)]
    assert (malloc['mapped_bytes'], malloc['live_bytes']) == (0x100000, 1000 + 300 + 7), malloc
    assert malloc['figures'] == {'active': 12}, malloc
    assert malloc['rows'] == [{'name': 'class 64', 'mapped_bytes': 100, 'live_bytes': 40, 'free_bytes': 60}], malloc
    assert layer(doc, 'mmap')['live_bytes'] == 0x3000
    assert doc['rss_bytes'] == 0x900000 and not doc['rss_exact']
    rows = {(r['holder'], r['part']): r['bytes'] for r in doc['rss']}  # without a snapshot: what they took from the system
    assert rows == {('arena', 'live'): 0x2000, ('arena', 'free'): 0x7e000, ('foreign', 'live'): 0x1000,
                    ('foreign', 'free'): 0xff000, ('mmap', 'all'): 0x3000, ('heap', 'live'): 0x2000}, rows
    assert doc['unexplained_bytes'] == 0x900000 - sum(rows.values()), doc['unexplained_bytes']


def test_objects_of_a_free_threaded_build(tmp):
    doc = made(tmp, [(OBJECT, 0x1000, 100, 0), (3, 0x2000, 10, 0), (2, 0x3000, 20, 0), (MALLOC, 0x4000, 7, 0)],
               facts=['python.free_threaded=1'])
    assert layer(doc, 'object')['live_bytes'] == 110 and layer(doc, 'malloc')['live_bytes'] == 27, doc['layers']


def test_many_names_of_figures(tmp):
    """A file may name as many as it likes; only so many are kept."""
    names = ['jemalloc/class %d/live' % i for i in range(3000)]
    doc = made(tmp, [(FIGURE, i + 1, i, 0) for i in range(3000)], names)
    assert len(layer(doc, 'malloc')['rows']) == 1024


def run_script(python, tmp, env):
    path = os.path.join(tmp, 'script.py')
    with open(path, 'w') as f:
        f.write(SCRIPT)
    done = harness.run_traced([python.path, '-B', '-S', path], tmp, env).check()
    return int(done.out), harness.report('arenas', done.trace), done.trace


def check_sums(doc, trace):
    rows = harness.report('sites', '--by', 'layer', '--top', '0', trace)['rows']
    live = sum(r['live_bytes'] for r in rows if r['layer'] in ('malloc', 'raw', 'mem', 'object'))
    arena = layer(doc, 'arena')
    parts = [x['live_bytes'] for x in doc['layers'] if x['name'] in ('arena', 'object', 'malloc')]
    assert sum(parts) == live, (parts, live)
    assert sum(r['live_bytes'] for r in arena['rows']) == arena['live_bytes']
    assert sum(r['mapped_bytes'] for r in arena['rows']) == arena['mapped_bytes']
    assert all(r['live_bytes'] <= r['mapped_bytes'] for r in arena['rows'])


def test_libc(python, tmp):
    rss, doc, trace = run_script(python, tmp, {})
    check_sums(doc, trace)
    malloc, arena = layer(doc, 'malloc'), layer(doc, 'arena')
    assert malloc['allocator'] == 'libc' and malloc['live_bytes'] >= 50000000
    assert (malloc['mapped_bytes'] or 0) >= malloc['live_bytes'] if doc['snapshot'] else malloc['mapped_bytes'] is None
    assert abs(doc['rss_bytes'] - rss) < 6 << 20, (doc['rss_bytes'], rss)
    if python.minor >= (3, 8) and not python.free_threaded:
        assert arena['mapped_bytes'] > 12 << 20, arena['mapped_bytes']
        assert arena['free_bytes'] > arena['mapped_bytes'] * .7, arena['free_bytes']


def test_jemalloc(python, tmp):
    test_allocators.need_backend()
    rss, doc, trace = run_script(python, tmp, test_allocators.BACKEND)
    check_sums(doc, trace)
    malloc = layer(doc, 'malloc')
    figures, rows = malloc['figures'], {r['name']: r for r in malloc['rows']}
    assert malloc['allocator'] == 'jemalloc' and malloc['mapped_bytes'] == figures['mapped']
    assert sum(r['live_bytes'] for n, r in rows.items() if n.startswith('class')) == figures['allocated']
    assert sum(r['live_bytes'] for n, r in rows.items() if n.startswith('arena')) == figures['allocated']
    assert rows['class 114688']['live_bytes'] >= 500 * 114688, rows
    assert figures['allocated'] <= figures['active'] <= figures['mapped'], figures
    assert malloc['live_bytes'] <= figures['allocated'], (malloc['live_bytes'], figures)
    assert figures['resident'] <= doc['rss_bytes'] and abs(doc['rss_bytes'] - rss) < 6 << 20, (figures, doc['rss_bytes'], rss)
    text = harness.pytrace('arenas', trace).out
    assert 'What jemalloc says of itself' in text and 'class 114688' in harness.pytrace('arenas', '-n', '0', trace).out, text


@harness.cases('jemalloc behind', 'jemalloc before', 'tcmalloc behind', 'tcmalloc before')
def test_preloaded(tmp, case):
    name, order = case.split()
    _, doc, trace = run_script(harness.PYTHONS[-1], tmp, {'LD_PRELOAD': test_allocators.preload(name, order)})
    check_sums(doc, trace)
    malloc = layer(doc, 'malloc')
    assert malloc['allocator'] == test_allocators.LIBRARIES[name]
    assert 50000000 <= malloc['live_bytes'] <= malloc['figures']['allocated'] <= malloc['mapped_bytes'], malloc
