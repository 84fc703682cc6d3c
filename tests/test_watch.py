# SPDX-License-Identifier: Apache-2.0
"""Watched objects: each change of the count, exactly, with the line that made it; and manners of the watching."""
import collections
import ctypes.util
import json
import os
import re

import harness

FOLDER = os.path.join(harness.HERE, 'watch')


def compiled(tmp, name='changes'):
    return harness.compiled(os.path.join(tmp, name + '.so'), 'cc', '-g', '-O1', '-shared', '-fPIC', '-pthread',
                            os.path.join(FOLDER, name + '.c'))


def run(python, tmp, name, *args, rules='type:__main__.Box', **env):
    return harness.run_traced([python.path, '-B', '-S', os.path.join(FOLDER, name + '.py')] + list(args), tmp,
                              dict(env, PYTRACE_WATCH=rules))


def need_means(trace):
    """The report, or a skip."""
    return harness.counts_report('--raw', '--full', '-n', '0', trace)


def unfolded(history):
    """The changes one by one: (delta, count, stack, flags)."""
    out, changes = [], history['changes']
    i, count = 0, 0
    while i < len(changes):
        run = changes[i:i + changes[i]['period']]
        for n in range(run[0]['times']):
            for c in run:
                count = c['count'] if 'start' in c['flags'] else count + c['delta']
                out.append((c['delta'], count, c['stack'], c['flags']))
            assert n or [o[1] for o in out[-len(run):]] == [c['count'] for c in run], (i, run)
        i += len(run)
    assert len(out) == history['n_changes'], (len(out), history['n_changes'])
    return out


def histories(doc, kind='__main__.Box'):
    return [o for o in doc['objects'] if o['kind'] == 'watched' and o['type'] == kind]


def line_in(stack, name, function=None):
    """The innermost line in a file of that name (in that function); None."""
    lines = [f['line'] for f in stack if f['file'] and os.path.basename(f['file']) == name and function in (None, f['function'])]
    return lines[0] if lines else None


def marked(name, mark):
    """The line of a source that ends with a remark."""
    with open(os.path.join(FOLDER, name)) as f:
        lines = [i for i, l in enumerate(f, 1) if mark in l]
    assert len(lines) == 1, (name, mark, lines)
    return lines[0]


def wrong_lines(changes, truth):
    """What the lines of changes.py are told to have changed, against what they did; and the count at each point."""
    net, seen, bad = collections.Counter(), {}, []
    points, count, at = dict(map(tuple, truth['points'])), 0, 0
    lines = [line_in(stack, 'changes.py', 'main') for _, _, stack, _ in changes]
    for i, (delta, now, stack, _) in enumerate(changes):
        if line_in(stack, 'changes.c') is None:
            net[lines[i]] += delta
        after = next((l for l in lines[i:] if l), 10 ** 6)  # threads run between two lines
        for point in points:
            if at <= point <= after:
                seen.setdefault(point, set()).update({count} if lines[i] and lines[i] > point else {count, now})
        at, count = lines[i] or at, now
    bad += ['%d: %+d, not %+d' % (line, net[line], n) for line, n in truth['steps'] if net[line] != n]
    return bad + ['%d: %s, not %d' % (p, sorted(seen[p]), n) for p, n in points.items() if n not in seen[p]]


def wrong_calls(changes, truth):
    told = collections.Counter()
    for delta, _, stack, _ in changes:
        told[line_in(stack, 'changes.c')] += delta
    done = collections.Counter()
    for function, n in truth['calls']:
        done[function] += n
    lines = {'take': marked('changes.c', 'taken here'), 'give': -marked('changes.c', 'given here')}
    return ['%s: %d, not %d' % (f, told[abs(l)], n) for f, l in lines.items() for n in [done[f]] if abs(told[abs(l)]) != n]


def test_every_change_has_its_line(python, tmp):
    done = run(python, tmp, 'changes', compiled(tmp)).check()
    assert not done.err, done.err
    truth = json.loads(done.out)
    boxes = histories(need_means(done.trace))
    assert len(boxes) == 1, boxes
    changes = unfolded(boxes[0])
    assert changes[0][0] == 1 and changes[0][3] == ['birth'] and changes[-1][1] == 0, (changes[0], changes[-1])
    assert not [c for c in changes[1:] if set(c[3]) - {'leaves'}], [c for c in changes if c[3]][:4]
    assert boxes[0]['end']['why'] == 'died' and line_in(changes[-1][2], 'changes.py') == truth['died'], boxes[0]['end']
    bad = wrong_lines(changes, truth) + wrong_calls(changes, truth)
    assert not bad, bad
    assert {c[0] for c in changes} - {1, -1} <= {10}, [c for c in changes if abs(c[0]) > 1]


@harness.cases('signals', 'waiting', 'dies', 'descriptors', 'forks', 'threads', 'breakpoints')
@harness.spread(3)
def test_watching_is_not_seen(python, case, tmp):
    argv = [python.path, '-B', '-S', os.path.join(FOLDER, 'manners.py'), case]
    alone = harness.run(argv).check()
    done = run(python, tmp, 'manners', case).check()
    assert (done.out, done.err) == (alone.out, alone.err), (case, done.out, done.err, alone.out)
    doc = need_means(done.trace)
    assert len(histories(doc)) > 3 and doc['watch']['off'] is None, doc['watch']


@harness.spread(4)
def test_threads_older_than_the_watch_are_covered(python, tmp):
    done = harness.run_traced([python.path, '-B', '-S', os.path.join(FOLDER, 'late.py')], tmp).check()
    truth = json.loads(done.out)
    doc = need_means(done.trace)
    if not truth['watched'][0]:
        raise harness.Skip('only from birth on: %s' % truth['off'])
    boxes = histories(doc)
    places = 2 if python.free_threaded else 4
    assert truth['watched'] == [True] * places + [False] * (5 - places) and truth['again'] and len(boxes) == places, truth
    if python.minor >= (3, 12):
        assert not truth['nothing'], 'None is immortal'
    changes = unfolded(boxes[0])
    assert changes[0][3] == ['start'] and not [c for c in changes[1:] if set(c[3]) - {'leaves'}], [c for c in changes if c[3]][:4]
    took, gave = marked('late.py', 'taken by threads'), marked('late.py', 'given by threads')
    net = collections.Counter()
    for delta, _, stack, _ in changes:
        net[line_in(stack, 'late.py', 'work')] += delta
    assert (net[took], net[gave]) == (truth['changes'], -truth['changes']), net
    assert boxes[0]['count'] == truth['count'], (boxes[0]['count'], truth['count'])


@harness.spread(3)
def test_stacks_of_changes_are_those_of_libunwind(python, tmp):
    if not ctypes.util.find_library('unwind'):
        raise harness.Skip('no libunwind')
    done = run(python, tmp, 'changes', compiled(tmp), PYTRACE_LOG='unwind').check()
    need_means(done.trace)
    found = re.search(r'compared with libunwind, (\d+) differ; (\d+) do not go with their Python stacks; (\d+) were of changes',
                      done.err)
    assert found, done.err
    assert found.group(1) == found.group(2) == '0' and int(found.group(3)) > 150, done.err


@harness.spread(3)
def test_a_blocked_trap_comes_late_and_says_so(python, tmp):
    done = run(python, tmp, 'late_traps').check()
    truth = json.loads(done.out)
    assert truth['after'] - truth['before'] == 5, truth
    doc = need_means(done.trace)
    if doc['watch']['means'] != 'hardware':
        raise harness.Skip('only breakpoints are told by SIGTRAP')
    changes = unfolded(histories(doc)[0])
    late = [(delta, flags) for delta, _, _, flags in changes if 'late' in flags]
    assert late == [(5, ['unseen', 'late'])], (late, changes)


@harness.spread(3)
def test_the_child_of_a_fork_goes_on_watching(python, tmp):
    """What was watched at the fork is so in the child, in its own file, from the count that it had."""
    done = run(python, tmp, 'forked').check()
    truth = json.loads(done.out)
    need_means(done.trace)
    parent, child = (histories(harness.report('refs', '--raw', '--full', '-n', '0', t)) for t in (done.trace, done.trace_of(truth['child'])))
    assert len(parent) == 1 and parent[0]['address'] == child[0]['address'], (parent, child)
    there = unfolded(child[0])
    assert there[0][3] == ['start'] and there[0][1] == truth['count'], (there[0], truth)
    took = marked('forked.py', 'taken by the child')
    assert sum(d for d, _, stack, _ in there if line_in(stack, 'forked.py') == took) == 4, there
    assert not [c for c in unfolded(parent[0]) if line_in(c[2], 'forked.py') == took]
    assert len(child) == 2 and unfolded(child[1])[0][3] == ['birth'], child[1:]
