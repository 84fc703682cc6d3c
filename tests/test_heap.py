# SPDX-License-Identifier: Apache-2.0
"""What a snapshot says of the heap is what the program itself knows of it: objects, counts, references and their names."""
import collections
import json
import os

import harness
import snapshots

HERE = os.path.dirname(os.path.abspath(__file__))
TRACKED, IMMORTAL, DEFERRED, UNREADABLE = 1 << 2, 1 << 4, 1 << 5, 1 << 12
PLAIN, INDEXED, PAIRS, NAMED = range(4)
UNCOUNTED, UNTRAVERSED = 1, 2
FRAME, THREAD, INTERPRETER, TYPE, GARBAGE = range(1, 6)


class Heap:
    """A snapshot, with what its edges are called."""

    def __init__(self, snapshot):
        assert snapshot.complete
        d = snapshot.decode()
        self.objects, self.texts, self.roots, self.facts, self.end = d.objects, d.texts, d.roots, d.facts, d.end

    def called(self, address):
        """What the value of this key is called."""
        text = self.texts.get(address, b'?').decode()
        o = self.objects.get(address)
        return repr(text) if o and o.type == 'str' else text

    def named(self, address):
        """[(name, target)] of an object."""
        o = self.objects[address]
        if o.flags & 3 == PAIRS:
            return [(self.called(k[0]), v[0]) for k, v in zip(o.edges[::2], o.edges[1::2])]
        if o.flags & 3 == INDEXED:
            return [('[%d]' % i, e[0]) for i, e in enumerate(o.edges)]
        return [(e[1], e[0]) for e in o.edges]

    def find(self, address, name):
        """Targets so called; attributes in a dict of their own too."""
        found = [target for n, target in self.named(address) if n == name]
        for n, target in self.named(address):
            if n == '__dict__' and self.objects[target].type == 'dict' and not name.startswith('__'):
                found += self.find(target, name) or self.find(target, repr(name))
        return found

    def edges(self):
        for o in self.objects.values():
            yield from o.edges
        for root in self.roots:
            yield from root[4]


def walked(python, tmp, name, *args, when='exit'):
    argv = [python.path, '-S', '-B', os.path.join(HERE, 'heap', name + '.py')] + list(args)
    done = harness.run_traced(argv, tmp, {'PYTRACE_SNAPSHOT': when}).check()
    found = snapshots.read(done.trace)
    assert list(found) == [1], list(found)
    return done, Heap(found[1])


def bare(name):
    return name[len('builtins.'):] if name.startswith('builtins.') else name


def differences(heap, edges):
    """Objects whose references are not those that gc.get_referents gave: what tp_traverse reports."""
    for address, want in edges:
        o = heap.objects[address]
        got = collections.Counter(target for target, _, flags in o.edges if target and not flags & UNTRAVERSED)
        want = collections.Counter(want)
        if o.flags & 3 == PAIRS:  # keys that are strings are not reported
            got -= collections.Counter({t: n for t, n in (got - want).items() if t in heap.texts or heap.objects[t].type == 'str'})
        if got != want:
            yield o.type, [heap.objects[t].type for t in want - got], [heap.objects[t].type for t in got - want]


def test_heap_is_what_the_program_knows(python, tmp):
    path = os.path.join(tmp, 'truth.json')
    _, heap = walked(python, tmp, 'truth', path)
    with open(path) as f:
        truth = json.load(f)
    assert len(truth['types']) > 2000 and len(truth['counts']) > 700
    assert heap.end == (len(heap.objects), sum(len(o.edges) for o in heap.objects.values()), 0), heap.end
    assert heap.facts['objects.unknown'] == heap.facts['edges.cut'] == heap.facts['interpreters.running'] == 0
    assert heap.facts['gc.enabled'] == 0 and heap.facts['python.hexversion'] >> 16 == 3 << 8 | python.minor[1]
    # every tracked object is there, and of its type
    missing = [t for i, t in truth['types'] if i not in heap.objects]
    assert not missing, missing[:10]
    wrong = [(t, heap.objects[i].type) for i, t in truth['types'] if heap.objects[i].type != bare(t)]
    assert not wrong, wrong[:10]
    untracked = [t for i, t in truth['types'] if not heap.objects[i].flags & TRACKED]
    assert not untracked, untracked[:10]
    wrong = list(differences(heap, truth['edges']))
    assert not wrong, wrong[:5]
    wrong = [(heap.objects[s].type, n, heap.named(s)[:20]) for s, n, t in truth['names'] if t not in heap.find(s, n)]
    assert not wrong, wrong[:5]
    check_counts(heap, truth['counts'], python)
    check_roots(heap)


def check_counts(heap, counts, python):
    """Counts are those of sys.getrefcount, and every reference is known: edges add up to them. Without a GIL the function
    says of functions, types and the like what they begin with, too, and not what threads count for themselves; there the
    edges are the truth."""
    assert not [o.type for o in heap.objects.values() if o.flags & DEFERRED]
    uncounted = {i for i, o in heap.objects.items() if o.flags & IMMORTAL}
    counts = [(i, n, heap.objects[i]) for i, n in counts if i not in uncounted]
    wrong = [(o.type, n, o.count) for i, n, o in counts if o.count != n and not (python.free_threaded and is_deferred(o, n))]
    assert not wrong, wrong[:5]
    refs = collections.Counter(target for target, _, flags in heap.edges() if not flags & UNCOUNTED)
    wrong = [(o.type, o.count, refs[i]) for i, n, o in counts if o.flags & TRACKED and refs[i] != o.count]
    assert not wrong, wrong[:5]
    tracked = [i for i, o in heap.objects.items() if o.flags & TRACKED and i not in uncounted]
    more = [heap.objects[i].type for i in tracked if refs[i] > heap.objects[i].count]
    assert not more, collections.Counter(more)
    less = [heap.objects[i].type for i in tracked if refs[i] < heap.objects[i].count]
    assert len(less) <= len(tracked) * 0.03, collections.Counter(less)
    nowhere = [target for target, _, _ in heap.edges() if target and target not in heap.objects]
    assert not nowhere, len(nowhere)


def is_deferred(o, n):
    """3.14 adds an eighth of the largest number, 3.13 one."""
    return n >> 58 or n == o.count + 1


def check_roots(heap):
    interpreter, = (r for r in heap.roots if r[0] == INTERPRETER)
    named = {name: target for target, name, _ in interpreter[4]}
    modules = {heap.called(k[0]): v[0] for k, v in zip(*[iter(heap.objects[named['sys.modules']].edges)] * 2)}
    assert heap.objects[modules["'gc'"]].type == 'module' and heap.texts[modules["'gc'"]] == b'gc'
    assert [heap.objects[t].type for t, _, _ in next(r for r in heap.roots if r[0] == GARBAGE)[4]] == ['list']
    types = {r[1] for r in heap.roots if r[0] == TYPE}
    assert {'dict', 'type', 'function', 'int'} <= types, types
    for name in ('builtins.__dict__', 'sys.__dict__', 'codec cache'):
        assert heap.objects[named[name]].type == 'dict', name


def test_frames_and_their_variables(python, tmp):
    done, heap = walked(python, tmp, 'frames', when='signal=USR2')
    truth = json.loads(done.out)
    frames = [r for r in heap.roots if r[0] == FRAME]
    variables = [(r[1].split('.')[-1], name, target) for r in frames for target, name, _ in r[4]]
    wrong = [tuple(s) for s in truth['said'] if tuple(s) not in variables]
    assert not wrong and len(truth['said']) == 10, wrong
    assert [r[1] for r in frames if r[1] in ('deep', 'running')] == ['deep'] * 4 + ['running'], [r[1] for r in frames]
    assert [r[3] - truth['lines']['deep'] for r in frames if r[1] == 'deep'][1:] == [8] * 3, [r[3] for r in frames]
    assert all(r[2].endswith('frames.py') for r in frames if r[1] in ('deep', 'blocked', 'running'))
    holder, name, target = truth['held']
    assert target in heap.find(holder, name), heap.named(holder)
    assert len([r for r in heap.roots if r[0] == THREAD]) == 2
    refs = collections.Counter(t for t, _, flags in heap.edges() if not flags & UNCOUNTED)
    for _, name, target in truth['said']:
        o = heap.objects[target]
        assert refs[target] <= o.count and o.count - refs[target] <= 1, (name, o.type, refs[target], o.count)


def test_what_cannot_be_read_costs_itself(python, tmp):
    done, heap = walked(python, tmp, 'broken', when='signal=USR2')
    said = json.loads(done.out)
    assert heap.end[2] >= 2 and heap.end[0] == len(heap.objects) > 2000, heap.end
    assert heap.objects[said['queue']].flags & UNREADABLE and not heap.objects[said['queue']].edges
    assert heap.find(said['kept'], 'attribute') == [said['attribute']]
    assert {t for _, t in heap.named(said['attribute'])} == {said['queue'], said['items']}
    assert [t for _, t in heap.named(said['items'])][::2][1] == said['last'] and said['last'] in heap.objects
    assert said['odd'] not in heap.objects, heap.objects[said['odd']].type


@harness.cases('shared', 'own')
def test_subinterpreters(python, tmp, case):
    """Up to 3.11, and where it shares the GIL, it stands still as well. From 3.14 on it ends before the last snapshot."""
    if python.minor >= (3, 14):
        raise harness.Skip('subinterpreters end before the last snapshot, from 3.14 on')
    _, heap = walked(python, tmp, 'sub', case)
    classes = collections.Counter(o.type for o in heap.objects.values() if o.type.startswith('__main__.In'))
    alone = case == 'own' and python.minor >= (3, 12) and not python.free_threaded
    assert classes == ({'__main__.InMain': 1} if alone else {'__main__.InMain': 1, '__main__.InSub': 6}), classes
    assert heap.facts['interpreters.running'] == alone
    check_counts(heap, [], python)
