# SPDX-License-Identifier: Apache-2.0
"""The analyzer against a reader that shares no line with it: every event, every stack, every sum of whole traces."""
import collections
import json
import os
import signal

import harness
import tracefile
import truths

PROGRAM = '''
import json, os, sys, threading
def work(n):
    kept.append([json.loads(json.dumps({"a": [i, str(i)]})) for i in range(n)])
    kept.append(bytearray(100000 + n))
kept = []
threads = [threading.Thread(target=work, args=(50 * i,)) for i in range(1, 4)]
[t.start() for t in threads]
work(100)
[t.join() for t in threads]
kept.pop(0)
if len(sys.argv) > 1:
    os.kill(os.getpid(), 9)
'''


def trace(python, tmp, how):
    path = os.path.join(tmp, 'program.py')
    with open(path, 'w') as f:
        f.write(PROGRAM)
    done = harness.run_traced([python.path, '-B', '-S', path] + ([how] if how == 'killed' else []), tmp)
    assert done.returncode == (-signal.SIGKILL if how == 'killed' else 0), done.err
    return done.trace


def event_key(e):
    """What both readers say of an event, from `dump --json`."""
    e = dict(e)
    if 'address' in e:
        return e['op'] + ' ' + e['layer'], e['thread'], e['run'], e['address'], e.get('bytes', 0)
    return e['op'], e['thread'], e['run'], None, None


def tag(rows):
    out = collections.Counter()
    for r in rows:
        key = tuple(r.stack)
        for name, (n, blocks) in (('live', r.live), ('total', r.total)):
            out[name, key] += n
            out[name + ' blocks', key] += blocks
    return +out


@harness.cases('ended', 'killed')
@harness.spread(3)
@harness.timeout(200)
def test_whole_traces(python, tmp, case):
    path = trace(python, tmp, case)
    t = tracefile.TraceFile(path)
    info = harness.report('info', path)
    assert info['complete'] == (case == 'ended') == t.is_complete(), (info['complete'], t.is_complete(), t.holes)
    events = list(t.events())
    assert info['events']['recorded'] == len(events), (info['events'], len(events))
    if case == 'ended':
        assert t.footer['n_events'] == len(events)
        assert t.footer['n_blocks'] == sum(b.kind in (tracefile.DEFS, tracefile.EVENTS) for b in t.blocks)
        assert {op: n for op, n in t.footer['ops'].items() if op < 192} == collections.Counter(e[1] for e in events)
    compare_events(path, t, events)
    for layer in 'malloc', 'raw', 'mem', 'object', 'arena', 'mmap', 'file':
        compare_sums(path, t, layer)
    assert [r['name'] for r in info['threads']] is not None and len(info['threads']) == len({e[0] for e in events})


def compare_events(path, t, events):
    said = json.loads(harness.pytrace('dump', '--json', path).out)['events']
    runs = {}
    for run, (_, inside) in t.runs.items():
        runs[run] = len(inside)
    i = 0
    for run in sorted(t.runs):
        thread, inside = t.runs[run]
        for op, a, b, stack, ns in inside:
            e = said[i]
            name = tracefile.KINDS[op >> 4] if op < 128 else tracefile.NAMES[op]
            assert (e['op'], e['thread'], e['run']) == (name, thread, run), (i, e, name, thread, run)
            assert abs(e['t_s'] - ns / 1e9) < 1e-8, (i, e, ns)
            if op < 128:
                size = b if t.shapes[op] != 'FREE' else 0
                assert (e['layer'], e['address'], e['bytes']) == (tracefile.LAYERS[op & 15], a, size), (i, e, a, b)
                assert (e['stack'] == 0) == (stack == 0), (i, e, stack)
            i += 1
    assert i == len(said)


def compare_sums(path, t, layer):
    mine, theirs = tag(truths.oracle_rows(t, layer)), tag(truths.analyzer_rows(path, layer))
    if layer in truths.MAPPINGS:
        mine, theirs = ({k: v for k, v in c.items() if 'blocks' not in k[0]} for c in (mine, theirs))
    if mine != theirs:
        key = next(k for k in list(mine) + list(theirs) if mine.get(k) != theirs.get(k))
        raise AssertionError('%s: %s is %s, the report says %s' % (layer, key[0], mine.get(key), theirs.get(key)) +
                             ' for %s' % (key[1][:4],))


def test_reports_agree_with_each_other(python, tmp):
    """One number, however it is asked for. (leaks looks at where the program ended, before its exit handlers, and tells the
    number of the other reports, too.)"""
    path = trace(python, tmp, 'ended')
    sites = {by: harness.report('sites', '--by', by, '--top', '0', path) for by in ('line', 'function', 'file', 'stack', 'layer', 'thread')}
    sums = {by: (d['bytes'], sum(r['bytes'] for r in d['rows']), sum(r['blocks'] for r in d['rows'])) for by, d in sites.items()}
    assert len(set(sums.values())) == 1, sums
    live, _, blocks = sums['line']
    assert live == sums['line'][1]
    leaks = harness.report('leaks', path)
    assert leaks['summary']['exit_bytes'] == live, (leaks['summary'], live)
    summary = json.dumps(harness.report('summary', path))
    assert str(live) in summary, 'summary does not know %d' % live
    for metric in 'live', 'peak', 'total':
        folded = harness.pytrace('export', '--format', 'folded', '--metric', metric, path).out
        exported = sum(int(line.rsplit(' ', 1)[1]) for line in folded.splitlines())
        want = harness.report('sites', '--metric', metric, '--top', '0', path)['bytes']
        assert exported == want, (metric, exported, want)
    peak = harness.report('sites', '--metric', 'peak', '--top', '0', path)
    assert peak['bytes'] >= live and leaks['summary']['peak_bytes'] == peak['bytes'], (peak['bytes'], leaks['summary'])
