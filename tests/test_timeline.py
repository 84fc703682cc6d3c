# SPDX-License-Identifier: Apache-2.0
"""`pytrace timeline`: samples are what was alive, types and collections where they were."""
import os

import harness
import tracefile

STEPS = '''
import gc, time
gc.disable()
class Node:
    pass
kept = []
print(time.monotonic_ns())
for step in range(4):
    kept.append([bytearray(100000) for i in range(20 * (step + 1))])
    time.sleep(0.08)
    print(time.monotonic_ns())
for i in range(100):
    a, b = Node(), Node()
    a.b, b.a = b, a
del a, b
gc.collect()
print(time.monotonic_ns())
time.sleep(0.08)
kept.clear()
print(time.monotonic_ns())
time.sleep(0.08)
print(time.monotonic_ns())
'''
BLOCKS = ('malloc', 'raw', 'mem', 'object')
COUNTED = ('mmap', 'malloc', 'raw', 'mem', 'object')


def run_script(python, tmp, text=STEPS):
    path = os.path.join(tmp, 'script.py')
    with open(path, 'w') as f:
        f.write(text)
    done = harness.run_traced([python.path, '-B', path], tmp).check()
    start = tracefile.TraceFile(done.trace).front['start_mono_ns']
    return done.trace, [(int(t) - start) / 1e9 for t in done.out.split()]


def between(samples, start, end):
    found = [s for s in samples if start < s['t_s'] < end]
    assert found, (start, end, samples[-1]['t_s'])
    return found


def check_steps(doc, times):
    """After each step so many arrays of 100,000 bytes are alive, and each stays; at the end they are gone. An event bears
    the time at which the clock was last read, so that the first one of a step may seem to be of the step before."""
    samples, n, last = doc['samples'], 0, None
    for step in range(4):
        n += 20 * (step + 1)
        # A step's work is over when its sleep begins.
        inside = between(samples, times[step + 1] - .06, times[step + 1] - .01)
        for s in inside:
            assert s['bytes'] == sum(s['layers'][name] for name in COUNTED) <= s['max_bytes'], s
            assert n * 100000 <= s['bytes'] < n * 100000 + (8 << 20), (step, n, s['bytes'])
        if last:
            grown = inside[0]['bytes'] - last[1]
            assert abs(grown - (n - last[0]) * 100000) < 250000, (step, grown)
        last = n, inside[0]['bytes']
    assert all(s['bytes'] < 8 << 20 for s in between(samples, times[6] + .02, times[7] - .01))
    assert doc['peak_bytes'] == max(s['max_bytes'] for s in samples), doc['peak_bytes']
    assert times[3] < doc['peak_s'] < times[6] + .01, doc['peak_s']
    assert max(s['rss_bytes'] or 0 for s in samples) > 200 * 100000


def check_collections(doc, times):
    explicit = [c for c in doc['collections'] if c['trigger'] == 'explicit']
    assert len(explicit) == 1 and times[4] - .001 < explicit[0]['start_s'] < times[5] + .01, (explicit, times)
    assert explicit[0]['collected'] >= 200 and explicit[0]['pause_s'] > 0, explicit
    assert sum(s['collections'] for s in doc['samples']) == len(doc['collections'])
    with_it = [s for s in doc['samples'] if s['collections'] and s['t_s'] > explicit[0]['start_s']][0]
    assert abs(with_it['longest_pause_s'] - explicit[0]['pause_s']) < 1e-9, with_it


def check_types(doc, times, least):
    """Arrays hold their bytes in a buffer; the objects themselves are seen by their type, and come and go."""
    for s in between(doc['samples'], times[4] - .06, times[4] - .01):
        got = s['types'].get('bytearray', 0)
        assert 200 * least <= got < 200 * (least + 100), (got, s['types'])
    for s in between(doc['samples'], times[6] + .02, times[7] - .01):
        assert s['types'].get('bytearray', 0) < 20 * 100, s['types']


def check_text(trace):
    text = harness.run([harness.PYTRACE, 'timeline', trace], env=harness.clean_env(LC_ALL='C')).check().out
    assert all(ord(c) < 128 for c in text), text
    lines = text.splitlines()
    assert max(map(len, lines[3:])) <= 80, [line for line in lines if len(line) > 80]
    for start in ('  all ', '    object ', '  resident ', '  collections '):
        assert any(line.startswith(start) for line in lines), (start, text)
    assert '@' in text
    text = harness.run([harness.PYTRACE, 'timeline', trace], env=harness.clean_env(LC_ALL='C.UTF-8')).check().out
    assert '\u2588' in text and '@' not in text, text


def check_info(trace, doc):
    """`info` lists the snapshots and sums up the collections of the same trace."""
    info = harness.report('info', trace)
    assert [(s['id'], s['reason'], s['t_s']) for s in info['snapshots']] == \
        [(s['id'], s['reason'], s['t_s']) for s in doc['snapshots']], info['snapshots']
    s = info['snapshots'][0]
    assert s['complete'] and s['objects'] > 1000 and s['edges'] > 1000 and s['bytes'] > 1000 and s['pause_s'] > 0, s
    c = info['collections']
    assert c['n'] == len(doc['collections']) and c['collected'] == sum(x['collected'] for x in doc['collections']), c
    assert c['longest_pause_s'] == max(x['pause_s'] or 0 for x in doc['collections']), c
    for command in ('info', 'summary'):
        text = harness.pytrace(command, trace).out
        assert 'snapshots   exit at' in text and ' collection' in text, text


def test_known_steps(python, tmp):
    trace, times = run_script(python, tmp)
    doc = harness.report('timeline', '--points', '1000', '--top', '0', trace)
    samples = doc['samples']
    assert len(samples) == 1000 and all(a['t_s'] < b['t_s'] for a, b in zip(samples, samples[1:]))
    assert all(sum(s['types'].values()) <= s['bytes'] for s in samples)
    check_steps(doc, times)
    check_collections(doc, times)
    check_types(doc, times, 40)
    check_text(trace)
    assert [s['reason'] for s in doc['snapshots']] == ['exit'], doc['snapshots']
    check_info(trace, doc)


def sums_over_time(trace):
    """[(time in ns, {layer: bytes alive})] after each event of the blocks' layers, by a plain replay."""
    sizes, sums, moving = {}, dict.fromkeys(BLOCKS, 0), {}

    def put(layer, addr, size):
        sums[layer] += size - sizes.pop((layer, addr), 0)
        if size:
            sizes[layer, addr] = size

    for thread, op, a, b, _, ns in tracefile.TraceFile(trace).events():
        kind, layer = op >> 4, tracefile.LAYERS[op & 15]
        yield ns, sums
        if op >= 128 or layer not in BLOCKS:
            continue
        if kind == 2:
            moving[thread] = a
        if kind == 1 or kind == 3 and thread in moving:
            put(layer, moving.pop(thread) if kind == 3 else a, 0)
        if kind in (0, 3):
            put(layer, a, b)
        if kind == 4:
            moving.pop(thread, None)
    yield 1 << 63, sums


def test_samples_are_those_of_another_reader(python, tmp):
    """Each sample against a plain replay of the events before its time."""
    text = 'kept = [bytes(i % 3000) for i in range(3000)]\ndel kept[::2]\nkept.sort(key=len)\n'
    trace, _ = run_script(python, tmp, text)
    samples, i = harness.report('timeline', '--points', '37', trace)['samples'], 0
    for ns, sums in sums_over_time(trace):
        while i < len(samples) and round(samples[i]['t_s'] * 1e9) <= ns:
            assert {name: samples[i]['layers'][name] for name in BLOCKS} == sums, (i, samples[i], sums)
            i += 1
    assert i == 37, i


def test_wrong_times(python, tmp):
    trace, _ = run_script(python, tmp, 'pass\n')
    for args in (['--from', 'x'], ['--from', '2', '--to', '1'], ['--points', '20000'], ['--to', '-1']):
        harness.pytrace('timeline', trace, *args, status=2)
    assert len(harness.report('timeline', '--points', '1', trace)['samples']) == 1
    doc = harness.report('timeline', '--from', '10ms', '--to', '20ms', '--points', '10', trace)
    assert doc['from_s'] == .01 and doc['samples'][-1]['t_s'] <= .02, doc['samples'][-1]
