# SPDX-License-Identifier: Apache-2.0
"""Who is watched: the rules of PYTRACE_WATCH, objects from their first moment, places that are shared out."""
import json
import math
import os

import harness
import test_cpython

SOURCE = os.path.join(harness.HERE, 'watch', 'chosen.py')


def run(python, tmp, what, rules, **env):
    env = dict({'PYTRACE_SNAPSHOT': 'off'}, PYTRACE_WATCH=rules, **env)
    return harness.run_traced([python.path, '-B', '-S', SOURCE, what], tmp, env).check()


def line(mark):
    with open(SOURCE) as f:
        found = [n for n, text in enumerate(f, 1) if text.rstrip().endswith('# ' + mark)]
    assert len(found) == 1, (mark, found)
    return found[0]


def watched(trace):
    return [o for o in harness.counts_report('--raw', '--full', '-n', '0', trace)['objects'] if o['kind'] == 'watched']


def born_at(objects, mark):
    return [o for o in objects if o['site'] and os.path.basename(o['site']['file']) == 'chosen.py' and o['site']['line'] == line(mark)]


def sums(history):
    """[(line, sum of its changes)] in the order of the lines' first changes."""
    out = {}
    for c in history['changes']:
        out[c['site']['line']] = out.get(c['site']['line'], 0) + c['delta'] * c['times']
    return list(out.items())


# ---- rules ----

@harness.cases('type:', 'site:app.py', 'site:app.py:0', 'site:app.py:x', 'site::3', 'Box', 'random:2', 'type:A type:B', 'type:A,,type:B',
               'means:magic', 'suspects:')
@harness.spread(1)
def test_bad_rules_are_told_in_one_line(python, tmp, case):
    done = harness.run_traced([python.path, '-S', '-c', 'print(1)'], tmp, {'PYTRACE_WATCH': case}).check()
    assert done.out == '1\n'
    assert done.err.count('\n') == 1 and done.err.startswith('pytrace: PYTRACE_WATCH=' + case) and 'not tracing' in done.err, done.err
    assert not done.traces


SUSPECTS = {
    'missing': (None, 'no such file'),
    'no rule': ('type:Box\nnonsense\n', ':2: no rule'),
    'too many': (''.join('type:A%d\n' % i for i in range(64)), ':64: more than can be watched'),
    'folder': ('', 'cannot be read'),
}


@harness.cases(*SUSPECTS)
@harness.spread(1)
def test_bad_files_of_suspects_are_told_and_nothing_is_watched(python, tmp, case):
    text, why = SUSPECTS[case]
    path = os.path.join(tmp, 'suspects')
    if case == 'folder':
        os.mkdir(path)
    elif text is not None:
        with open(path, 'w') as f:
            f.write(text)
    done = run(python, tmp, 'first', 'type:Slotted,suspects:' + path)
    assert done.err.count('\n') == 1 and why in done.err and 'nothing is watched' in done.err, done.err
    assert not [o for o in harness.report('refs', '--raw', '-n', '0', done.trace)['objects'] if o['kind'] == 'watched']


@harness.spread(4)
def test_rules_of_a_file_hold_like_those_of_the_variable(python, tmp):
    path = os.path.join(tmp, 'some suspects, and more'.replace(',', ''))
    with open(path, 'w') as f:
        f.write('# what leaked\n\n  type:__main__.Box site:%s:%d \r\ntype:Slotted site:chosen.py:1\nsite:watch/chosen.py:%d'
                % (SOURCE, line('box'), line('inner')))
    objects = watched(run(python, tmp, 'first', 'suspects:' + path).trace)
    assert born_at(objects, 'box') and not [o for o in born_at(objects, 'box') if o['type'] != '__main__.Box'], objects
    assert not born_at(objects, 'slotted')
    if not python.free_threaded:  # two places only, and the line makes a dict first
        assert '__main__.Outer.Inner' in [o['type'] for o in born_at(objects, 'inner')]


# ---- from birth ----

def test_a_list_of_a_line_from_its_birth_to_its_death(python, tmp):
    """The lesson on counts, in a function and in a module."""
    marks = ['in a function', 'in a module']
    objects = watched(run(python, tmp, 'lesson', ','.join('site:chosen.py:%d' % line(m) for m in marks)).trace)
    assert [o['type'] for o in objects] == ['list', 'list'], [(o['type'], o['site']) for o in objects]
    for mark in marks:
        history, = born_at(objects, mark)
        at = line(mark)
        assert sums(history) == [(at, 1), (at + 1, 1), (at + 2, -1), (at + 3, -1)], (mark, history['changes'])
        assert history['whole'] and history['end']['why'] == 'died' and history['end']['count'] == 0, history['end']


@harness.cases('list', '__main__.Box', 'Slotted', 'Outer.Inner', 'Inner', 'collections.OrderedDict', 'deque')
@harness.spread(5)
def test_objects_of_a_type_are_watched_from_the_first_on(python, tmp, case):
    """Classes from their first instance; types made in C, which are met when they have one, as soon as they are known."""
    mark = {'__main__.Box': 'box', 'Slotted': 'slotted', 'Outer.Inner': 'inner', 'Inner': 'inner', 'list': 'in a module'}.get(case)
    objects = watched(run(python, tmp, 'first', 'type:' + case).trace)
    assert not [o['type'] for o in objects if o['type'].split('.')[-1] != case.split('.')[-1]], [o['type'] for o in objects]
    if mark:
        assert len(born_at(objects, mark)) == 1, [(o['type'], o['site']) for o in objects]
    assert all(o['whole'] for o in objects if o['site']), [o for o in objects if not o['whole']]


@harness.spread(4)
def test_a_line_that_makes_objects_of_many_types(python, tmp):
    objects = watched(run(python, tmp, 'classes', 'type:Kind5').trace)
    assert {o['type'] for o in objects} == {'__main__.Kind5'}, {o['type'] for o in objects}
    assert len(objects) >= 5, len(objects)


def test_threads_and_children_are_covered(python, tmp):
    objects = watched(run(python, tmp, 'threads', 'type:Box').trace)
    assert len(born_at(objects, 'in a thread')) == 20, len(objects)
    os.mkdir(os.path.join(tmp, 'fork'))
    done = run(python, os.path.join(tmp, 'fork'), 'forks', 'type:Box')
    for trace in done.traces:
        objects = watched(trace)
        assert len(born_at(objects, 'after the fork')) == 1, (trace, [o['site'] for o in objects])
        assert len(born_at(objects, 'before the fork')) == (trace == done.trace), (trace, [o['site'] for o in objects])


# ---- places ----

@harness.spread(5)
def test_quiet_objects_give_their_places_to_new_ones(python, tmp):
    objects = watched(run(python, tmp, 'rotation', 'type:Box').trace)
    late, = born_at(objects, 'late')
    assert late['end']['why'] == 'died' and late['whole'], late['end']
    kept = born_at(objects, 'kept for ever')
    assert 1 <= len(kept) < 20 and [o['end']['why'] for o in kept].count('rotated') == 1, [o['end'] for o in kept]


@harness.spread(4)
def test_lines_that_make_few_objects_get_their_turns(python, tmp):
    objects = watched(run(python, tmp, 'turns', 'type:Box').trace)
    seldom, often = len(born_at(objects, 'seldom')), len(born_at(objects, 'often'))
    assert seldom >= 12, (seldom, often)  # of 20; of the others there are 40,000
    assert 20 < often < 4000, (seldom, often)


def chance(k, n, p=0.1):
    """Of k in n, each with the chance p."""
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log(1 - p))


@harness.spread(2)
def test_a_sample_is_fair(python, tmp):
    """One in ten is of the second type; each is as likely to be drawn as any other."""
    objects = watched(run(python, tmp, 'sample', 'random').trace)
    box, slotted = ([o for o in objects if o['type'] == '__main__.' + n] for n in ('Box', 'Slotted'))
    n, k = len(box) + len(slotted), len(slotted)
    assert n >= 30, (len(box), k)  # how many depends on the machine
    as_few, as_many = (sum(chance(i, n) for i in r) for r in (range(k + 1), range(k, n + 1)))
    assert min(as_few, as_many) > 1e-4 or 0.07 < k / n < 0.13, (len(box), k, as_few, as_many)
    times = sorted(o['born_s'] for o in box)
    assert times[len(times) // 2] > times[0] + 0.2 * (times[-1] - times[0]), times  # not all at the beginning
    assert len({o['type'] for o in objects}) > 3, {o['type'] for o in objects}


# ---- free lists ----

def test_a_program_does_not_see_that_its_lists_are_not_kept(python, tmp):
    plain = harness.run([python.path, '-B', '-S', SOURCE, 'held']).check()
    done = run(python, tmp, 'held', 'type:list,type:dict,type:tuple')
    assert done.out == plain.out and not done.err, (plain.out, done.out, done.err)
    if python.minor < (3, 13):
        return
    done = run(python, tmp, 'held', 'type:list,type:dict,type:tuple', PYTRACE_LIVES='1')
    rows = harness.report('sites', '--by', 'line', '--metric', 'total', '--layer', 'object', '--top', '0', done.trace)['rows']
    reused = {}
    for r in rows:
        for t in r['types']:
            reused[t['type']] = reused.get(t['type'], 0) + t['reused']
    # a few are made before the interpreter is up, or by the tracer's own part of the gc module; the program makes thousands
    assert all(reused[n] <= 3 for n in ('list', 'dict', 'tuple')), {n: reused[n] for n in ('list', 'dict', 'tuple')}


@harness.cases('test_list', 'test_tuple', 'test_dict', 'test_gc')
@harness.spread(1)
@harness.timeout(300)
def test_cpythons_own_tests_while_lists_are_watched(python, tmp, case):
    test_cpython.compare(python, tmp, case, PYTRACE_WATCH='type:list', PYTRACE_SNAPSHOT='off')
