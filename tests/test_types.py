# SPDX-License-Identifier: Apache-2.0
"""Of what type each block was: read when it is freed, or from the last snapshot; equal to what the program knows."""
import json
import os

import harness
import tracefile

FOLDER = os.path.join(harness.HERE, 'types')


def run(python, tmp, name, *args, **env):
    return harness.run_traced([python.path, '-B', '-S', os.path.join(FOLDER, name + '.py')] + list(args), tmp, env)


def types_by_line(trace, file, metric='total'):
    """{line: {type: blocks by the metric}} of blocks of the object layer."""
    out = {}
    doc = harness.report('sites', '--by', 'line', '--metric', metric, '--layer', 'object', '--top', '0', trace)
    for r in doc['rows']:
        if r['site'] and r['site']['file'] == file:
            line = out.setdefault(r['site']['line'], {})
            for t in r['types']:
                line[t['type']] = line.get(t['type'], 0) + t['blocks']
    return out


def wrong(got, expected):
    """What differs: the counts that are expected, and types of the program that a line did not make."""
    out = {}
    for line, kinds in expected.items():
        have = got.get(int(line), {})
        for kind in set(kinds) | {k for k in have if k.startswith('__main__.')}:
            if have.get(kind, 0) != kinds.get(kind, 0):
                out[line, kind] = (have.get(kind, 0), kinds.get(kind, 0))
    return out


def test_types_of_freed_blocks(python, tmp):
    done = run(python, tmp, 'kinds').check()
    assert not done.err, done.err
    bad = wrong(types_by_line(done.trace, '<kinds>'), json.loads(done.out))
    assert not bad, bad


def test_types_of_what_is_alive_come_from_the_snapshot(python, tmp):
    done = run(python, tmp, 'alive').check()
    assert not done.err, done.err
    expected = json.loads(done.out)
    got = types_by_line(done.trace, '<alive>', 'live')
    bad = {k: v for k, v in wrong(got, expected).items() if k[1] in expected[str(k[0])]}
    assert not bad, bad
    share = harness.report('info', done.trace)['types']
    assert share['known_by_snapshot'] >= sum(sum(v.values()) for v in expected.values()), share
    assert share['blocks'] == share['known_blocks'] + share['unknown_freed'] + share['unknown_alive'], share


def lives_of(trace):
    """{line: {type: (made in new blocks, made in blocks of free lists)}}"""
    out = {}
    doc = harness.report('sites', '--by', 'line', '--metric', 'total', '--layer', 'object', '--top', '0', trace)
    for r in doc['rows']:
        if r['site'] and r['site']['file'] == '<lives>':
            for t in r['types']:
                line = out.setdefault(r['site']['line'], {})
                a, b = line.get(t['type'], (0, 0))
                line[t['type']] = a + t['total_blocks'], b + t['reused']
    return out


def test_pages_that_are_gone_are_not_read(python, tmp):
    """What a freed block leads to may have been unmapped since the tracer looked there last."""
    path = os.path.join(harness.HERE, 'types', 'gone_pages.py')
    done = harness.run_traced([python.path, '-B', path], tmp)
    assert (done.returncode, done.out, done.err) == (0, 'alive\n', ''), (done.returncode, done.err[-500:])


def test_lives_of_objects_in_free_lists(python, tmp):
    if python.minor < (3, 13):
        raise harness.Skip('PyRefTracer came with 3.13')
    done = run(python, tmp, 'lives', PYTRACE_LIVES='1', PYTRACE_LOG='check').check()
    assert not done.err, done.err
    got = lives_of(done.trace)
    for line, kinds in json.loads(done.out).items():
        for kind, n in kinds.items():
            made = got.get(int(line), {}).get(kind, (0, 0))
            assert sum(made) == n, (line, kind, made, n)
    info = harness.report('info', done.trace)['types']
    assert info['lives'].startswith('recorded') and info['reused'] > 1000, info


def test_another_tracer_in_the_place_is_noticed(python, tmp):
    if python.minor < (3, 13) or python.debug:
        raise harness.Skip('PyRefTracer came with 3.13, and debug builds may not be asked who is there')
    program = 'import tracemalloc; tracemalloc.start(); x = [str(i) for i in range(200000)]'
    done = harness.run_traced([python.path, '-c', program], tmp, {'PYTRACE_LIVES': '1'}).check()
    assert 'another tracer' in harness.report('info', done.trace)['types']['lives']


@harness.cases('small_objects 3000', 'compile_stdlib 3', 'pickle_copy 2', 'gc_cycles 2000')
def test_types_at_free_equal_those_at_destruction(python, tmp, case):
    if python.minor < (3, 13):
        raise harness.Skip('PyRefTracer came with 3.13')
    name, n = case.split()
    workload = os.path.join(harness.TOP, 'scripts', 'workloads', name + '.py')
    done = harness.run_traced([python.path, '-B', workload, n], tmp, {'PYTRACE_LOG': 'check'}).check()
    assert not done.err, done.err[:1000]
    share = harness.report('info', done.trace)['types']
    assert share['known_blocks'] > 0.97 * share['blocks'], share


def test_lesson_slots_arrays_generators(python, tmp):
    """What the same data truly costs, side by side."""
    program = os.path.join(harness.HERE, 'lessons', 'side_by_side.py')
    done = harness.run_traced([python.path, '-B', '-S', program], tmp).check()
    assert not done.err, done.err
    got = {}
    for r in harness.report('sites', '--by', 'type', '--top', '0', done.trace)['rows']:
        if r['type']:
            a, b = got.get(r['type'], (0, 0))
            got[r['type']] = a + r['blocks'], b + r['bytes']
    for kind, size in json.loads(done.out).items():
        blocks, total = got.get(kind, (0, 0))
        assert blocks == 2000, (kind, blocks)
        assert size is None or total == size, (kind, total, size)


def test_nothing_of_types_without_python(tmp):
    doc = harness.report('sites', '--by', 'type', os.path.join(tmp, trace_of_nothing(tmp)))
    assert all(r['type'] is None for r in doc['rows']), doc['rows']


def trace_of_nothing(tmp):
    """A trace without one object: the worked example of FORMAT.md, whose FREE has type 0."""
    path = os.path.join(tmp, 'example.pytrace')
    harness.run([harness.built('format/example'), path]).check()
    return path


def test_dump_and_the_independent_reader_agree_on_types(python, tmp):
    done = run(python, tmp, 'alive').check()
    trace = tracefile.TraceFile(done.trace)
    want = [(a, trace.types[b].name) for _, op, a, b, _, _ in trace.events() if op == tracefile.FREE_OBJECT and b]
    doc = json.loads(harness.pytrace('dump', '--json', done.trace).out)
    assert want == [(e['address'], e['type']) for e in doc['events'] if e.get('type')]
    assert len(want) > 10000, len(want)
