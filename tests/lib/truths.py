# SPDX-License-Identifier: Apache-2.0
"""truths: compares what a truth program printed with what its traces say, exactly.

The analyzer's report is what is judged. When it differs, the independent reader says whose fault it is: the trace's (the
tracer) or the report's (the analyzer).
"""
import functools
import json
import os

import harness
import tracefile

MAPPINGS = ('mmap', 'file', 'reserve', 'heap')  # pieces of a mapping are no blocks: only bytes are compared
ORACLE_ONLY = bool(os.environ.get('PYTRACE_TEST_ORACLE'))


class Row:
    """A stack in one layer: what it made and what of it is alive at the end."""

    def __init__(self, stack, live, total):
        self.stack, self.live, self.total = stack, live, total  # (bytes, blocks)


def analyzer_rows(trace, layer, by='stack'):
    """Rows of a layer. By line, a row's stack is its site alone, without a column: much less to print and to read."""
    doc = harness.report('sites', '--metric', 'total', '--by', by, '--top', '0', '--layer', layer, trace)
    for r in doc['rows']:
        frames = (r['stack'] or []) if by == 'stack' else [r['site']]
        stack = [(f['file'], f['line'], f['column'], f['function']) for f in frames if f['language'] == 'python']
        yield Row(stack, (r['live_bytes'], r['live_blocks']), (r['total_bytes'], r['total_blocks']))


class Mappings:
    """Ranges of addresses, each with the stack that mapped it; any part may go."""

    def __init__(self):
        self.ranges = []  # (start, end, layer, stack)

    def cut(self, start, end):
        """Takes out what lies in the range; returns it."""
        kept, taken = [], []
        for s, e, layer, stack in self.ranges:
            for a, b, into in ((s, min(e, start), kept), (max(s, start), min(e, end), taken), (max(s, end), e, kept)):
                if a < b:
                    into.append((a, b, layer, stack))
        self.ranges = kept
        return taken


def page_up(n):
    return n + 4095 & ~4095


def replay_of(t):
    """Its replay: once for all layers."""
    if not hasattr(t, 'replayed'):
        t.replayed = tracefile.replay(t)
    live, sums, moves = t.replayed
    return live, {k: list(v) for k, v in sums.items()}, moves


def oracle_rows(trace, layer):
    t = trace if isinstance(trace, tracefile.TraceFile) else tracefile.TraceFile(trace)
    number = tracefile.LAYERS.index(layer)
    live, sums, moves = replay_of(t)
    if layer in MAPPINGS:
        maps, sums, undo, unmapped = Mappings(), {}, [], {}
        for kind, a, b, l, stack, before_end, thread in moves:
            if kind == 'map' and l == tracefile.MOVED:
                l = unmapped.get(thread, 0)
            end = a + page_up(b)
            if kind == 'map':
                sums.setdefault((l, stack), [0, 0, 0, 0])[2] += end - a
            if not before_end:
                continue
            if kind == 'unmap':
                undo = maps.cut(a, end)
                unmapped[thread] = undo[0][2] if undo else 0
            elif kind == 'unmap-fail':
                maps.ranges += undo
            else:
                maps.cut(a, end)
                maps.ranges.append((a, end, l, stack))
        for s, e, l, stack in maps.ranges:
            sums[l, stack][0] += e - s
    for (l, stack), (a, b, c, d) in sums.items():
        if l == number:
            yield Row(t.stack(stack), (a, b), (c, d))


def same_file(a, b):
    return os.path.basename(a) == os.path.basename(b)


def check_site(by_line, site, columns):
    """None, or how the report differs from one line of the truth."""
    file, line, layer, live, n_live, total, n_total, column = site
    mine = by_line[layer].get((os.path.basename(file), line), [])
    if column is not None and columns:
        mine = [r for r in mine if r.stack[0][2] == column]
    elif column is not None:
        return None  # columns exist from 3.11 on; the sum of the line is checked below by nothing else
    got = [sum(r.live[0] for r in mine), sum(r.live[1] for r in mine), sum(r.total[0] for r in mine),
           sum(r.total[1] for r in mine)]
    want = [live, n_live, total, n_total]
    if layer in MAPPINGS:
        want[1] = want[3] = None
    if all(w is None or g == w for g, w in zip(got, want)):
        return None
    where = '%s:%d%s %s' % (os.path.basename(file), line, '' if column is None else ' column %d' % column, layer)
    return '%s: live %d bytes in %d, total %d in %d; true are %s' % (
        (where,) + tuple(got) + (tuple('any' if w is None else w for w in want),))


def check_stack(rows, stack, layer, size):
    want = [(os.path.basename(f), line, name) for f, line, name in stack]
    got = sum(r.live[0] for r in rows[layer]
              if [(os.path.basename(f), line, name) for f, line, _, name in r.stack] == want)
    if got >= size:
        return None
    near = [r for r in rows[layer] if r.stack and (os.path.basename(r.stack[0][0]), r.stack[0][1]) == want[0][:2]]
    return 'no stack %s with %d bytes in %s; near: %s' % (
        want[:6], size, layer, [[(os.path.basename(f), l, n) for f, l, _, n in r.stack[:6]] for r in near[:2]])


def differences(truth, trace, rows_of, columns):
    if rows_of is analyzer_rows:
        whole = {s[1] for s in truth['stacks']} | {s[2] for s in truth['sites'] if s[7] is not None}
        by_line = functools.partial(analyzer_rows, by='line')
        return [d for layer in {s[2] for s in truth['sites']} | whole for d in differences(
            {k: [x for x in truth[k] if x[2 if k == 'sites' else 1] == layer] for k in ('sites', 'stacks')},
            trace, by_line if layer not in whole else functools.partial(analyzer_rows, by='stack'), columns)]
    layers = {s[2] for s in truth['sites']} | {s[1] for s in truth['stacks']}
    rows = {layer: list(rows_of(trace, layer)) for layer in layers}
    by_line = {layer: {} for layer in layers}
    for layer in layers:
        for r in rows[layer]:
            if r.stack:
                by_line[layer].setdefault((os.path.basename(r.stack[0][0]), r.stack[0][1]), []).append(r)
    found = [check_site(by_line, s, columns) for s in truth['sites']]
    found += [check_stack(rows, *s) for s in truth['stacks']]
    return [f for f in found if f]


def compare(truth, trace, python):
    columns = python.minor >= (3, 11)
    wrong = [] if ORACLE_ONLY else differences(truth, trace, analyzer_rows, columns)
    if not wrong and not ORACLE_ONLY:
        return
    in_trace = differences(truth, trace, oracle_rows, columns)
    wrong = wrong or in_trace
    if wrong:
        blame = 'the trace is wrong' if in_trace else 'the trace is right, the report is wrong'
        raise AssertionError('%s (%d differences; %s)' % (wrong[0], len(wrong), blame))


def spoken(out):
    """What the processes of a program printed, by pid."""
    truths = {}
    for line in out.splitlines():
        if line.startswith('{"pid"'):
            t = json.loads(line)
            truths.setdefault(t['pid'], []).append(t)
    return truths


def merge(truths):
    """A process that spoke several times knows what it said last of each site."""
    return {'sites': truths[-1]['sites'], 'stacks': truths[-1]['stacks']}


def run_program(python, tmp, name, args=(), env=None, status=0, options=()):
    """Runs tests/truth/NAME.py traced, checks its end. Returns Done."""
    path = os.path.join(harness.HERE, 'truth', name + '.py')
    environment = {'TRUTH_HELPER': harness.built('truth/truth.so')}
    environment.update(env or {})
    done = harness.run_traced([python.path, '-B'] + (['-S'] if name != 'greenlets' else []) + list(options) + [path] + list(args), tmp, environment)
    assert done.returncode == status, '%s ended with %d, not %d: %s' % (name, done.returncode, status, done.err[-600:])
    return done


def check_program(python, tmp, name, args=(), env=None, status=0, options=(), processes=None):
    done = run_program(python, tmp, name, args, env, status, options)
    truths = spoken(done.out)
    assert done.pid in truths, 'the program said nothing: %s' % done.err[-600:]
    if processes is not None:
        assert len(truths) == processes, '%d processes spoke, not %d' % (len(truths), processes)
    for pid, said in truths.items():
        compare(merge(said), done.trace_of(pid), python)
    return done
