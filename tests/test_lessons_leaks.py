# SPDX-License-Identifier: Apache-2.0
"""The lessons on leaks, as `check` sees them: what leaks is red on its line, what does not is green; and those that need a word
more than that. The programs are those of test_lessons.py."""
import json
import os
import re

import harness

FOLDER = os.path.join(harness.HERE, 'lessons')


def run(python, tmp, name, **env):
    done = harness.run_traced_once([python.path, '-B', os.path.join(FOLDER, name + '.py')], tmp, env).check()
    assert not done.err, done.err
    return done


def line_of(name, mark):
    with open(os.path.join(FOLDER, name + '.py')) as f:
        found = [n for n, line in enumerate(f, 1) if line.rstrip().endswith('# ' + mark)]
    assert len(found) == 1, (name, mark, found)
    return found[0]


def check(trace, status):
    """The document of `check`, and the annotations: [(verdict, file, line)]."""
    done = harness.run([harness.PYTRACE, 'check', '--github', trace], cwd=harness.TOP)
    assert done.returncode == status, (done.returncode, done.out[-2000:], done.err)
    found = re.findall(r'^::error file=([^,]*),line=(\d+),(?:col=\d+,)?title=([a-z-]+)%3A', done.out, re.M)
    doc = json.loads(harness.pytrace('check', '--json', trace, status=status).out, object_pairs_hook=harness.unique)
    assert doc['verdict'] == ('fail' if status else 'pass'), doc['verdict']
    return doc, [(verdict, os.path.basename(file), int(line)) for file, line, verdict in found]


RED = {'forgotten_global': ('growth', 'line of the leak'), 'unbounded_cache': ('growth', 'line of the leak'),
       'weak_references': ('growth', 'line of the leak'), 'cache_keeps_instances': ('growth', 'line of the leak'),
       'collector_off': ('cycle-garbage', 'nodes'), 'memory_stays': ('fragmentation', 'much')}


@harness.spread(3)
@harness.cases(*sorted(RED))
def test_leaks_are_red_on_their_line(python, tmp, case):
    verdict, mark = RED[case]
    doc, annotations = check(run(python, tmp, case).trace, 1)
    assert annotations == [(verdict, case + '.py', line_of(case, mark))], annotations
    assert len(doc['findings']) == 1 and doc['summary']['new'] == 1, doc['summary']


@harness.spread(2)
@harness.cases('collect_by_hand', 'containers_hold', 'counts_go', 'cycles_defeat', 'del_in_cycle', 'interning', 'lifecycle', 'peak_and_after',
               'resurrection', 'scope_ends', 'two_nodes')
def test_what_does_not_leak_is_green(python, tmp, case):
    doc, annotations = check(run(python, tmp, case).trace, 0)
    assert doc['findings'] == [] and annotations == [], doc['findings']


@harness.spread(3)
def test_cache_on_a_method_keeps_the_instances(python, tmp):
    """The holder is the cache, and the chain to each instance leads through its key."""
    done = run(python, tmp, 'cache_keeps_instances')
    finding, = harness.report('leaks', done.trace)['findings']
    assert (finding['held_by'], finding['holder'][-1]['type'], finding['holder'][-1]['entries']) == (
        '__main__.Service.lookup.cache', 'dict', 2000), finding['held_by']
    doc = harness.report('paths', done.trace, '__main__.Service')
    way, = doc['groups'] if 'groups' in doc else doc['ways']
    assert way['pattern'] == '__main__.Service.lookup.cache.<key>[...]' and way['objects'] == 2000, way
    services, = (t for t in harness.report('objects', done.trace)['types'] if t['type'] == '__main__.Service')
    assert services['count'] == 2000, services


@harness.spread(3)
def test_finalizers_of_the_old_kind(python, tmp):
    """A member with tp_del makes a cycle that the collector may not free; gc.garbage holds it, and that is what is told."""
    harness.extension(python, os.path.join(tmp, '_legacy.so'), os.path.join(FOLDER, '_legacy.c'))
    done = run(python, tmp, 'legacy_finalizers', PYTHONPATH=tmp)
    assert done.out.split() == ['100', '100'], done.out
    doc, annotations = check(done.trace, 1)
    finding, = doc['findings']
    assert (finding['verdict'], finding['blocks'], finding['evidence']['cycles']) == ('cycle-uncollectable', 100, 50), finding
    assert [(m['type'], m['site']['line']) for m in finding['members']] == [
        ('_legacy.Legacy', line_of('legacy_finalizers', mark)) for mark in 'ab'], finding['members']
    assert 'tp_del' in finding['why'] and 'gc.garbage' in finding['why'], finding['why']
    assert annotations == [('cycle-uncollectable', 'legacy_finalizers.py', line_of('legacy_finalizers', 'a'))], annotations
