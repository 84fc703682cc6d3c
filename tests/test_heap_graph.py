# SPDX-License-Identifier: Apache-2.0
"""The heap graph of real programs, against a second reader of the file and the plainest algorithms."""
import collections
import json
import os
import subprocess

import harness
import snapshots

PROGRAM = r'''
import gc, sys, threading, weakref
gc.disable()

class Node:
    def __init__(self, name):
        self.name, self.links = name, []

class Slots:
    __slots__ = 'a', 'b', '__weakref__'

def cycles():
    for i in range(30):
        a, b = Node('a%d' % i), Node('b%d' % i)
        a.links.append(b)
        b.parent = a
        b.weak = weakref.ref(a)
        s = Slots()
        s.a, s.b = s, (a, [i, 'text %d' % i])
    l = []
    l.append(l)
    def closure():
        return closure
    class Local:
        def method(self):
            return Local

cycles()
cache = {'u%d' % i: Node('u%d' % i) for i in range(50)}
shared = Node('shared')
for n in cache.values():
    n.links.append(shared)
    shared.links.append(n)
def generate():
    held = Node('held')
    yield held
generator = generate()
next(generator)
'''

TRACKED, IMMORTAL, DEFERRED, STATIC, GENERATION = 1 << 2, 1 << 4, 1 << 5, 1 << 6, 3 << 8
UNCOUNTED, UNTRAVERSED = 1, 2
FRAME, THREAD, INTERPRETER, TYPE, GARBAGE = range(1, 6)
GC = 1


class Seen:
    """An object as the probe tells it."""

    def __init__(self, fields):
        self.address, self.count, self.bytes, self.flags, self.surplus, self.state, self.length, self.parent, self.retained = \
            map(int, fields[:9])
        self.type, self.edges = fields[9], []


def probe(trace):
    out = subprocess.run([harness.built('synth/heap_probe'), trace], stdout=subprocess.PIPE, check=True).stdout
    objects, roots = {}, []
    for line in out.decode('utf-8', 'surrogateescape').split('\n'):
        kind, _, rest = line.partition(' ')
        if kind == 'O':
            last = Seen(rest.split(' ', 9))
            objects[last.address] = last
        elif kind == '>':
            target, flags, name = rest.split(' ', 2)
            last.edges.append((int(target), name, int(flags)))
        elif kind == 'R':
            roots.append(tuple(map(int, rest.split())))
    return objects, roots


class Graph:
    """The second reading, and what follows from it."""

    def __init__(self, decoded):
        self.d, self.objects = decoded, decoded.objects
        self.type_flags = collections.defaultdict(int)
        for t in decoded.types[1:]:
            self.type_flags[t[0]] |= t[2]
        self.out = {a: [t for t, _, flags in o.edges if not flags & UNCOUNTED and t in self.objects]
                    for a, o in self.objects.items()}
        self.roots = [(kind, e[0]) for kind, _, _, _, edges in decoded.roots for e in edges
                      if not e[2] & UNCOUNTED and e[0] in self.objects]
        self.surplus = self.find_surplus()

    def find_surplus(self):
        left = {a: 0 if o.flags & IMMORTAL else o.count for a, o in self.objects.items()}
        for targets in self.out.values():
            for t in targets:
                left[t] -= 1
        for _, t in self.roots:
            left[t] -= 1
        return {a: 0 if self.objects[a].flags & (IMMORTAL | DEFERRED) else n for a, n in left.items()}

    def reach(self, start, seen=None, avoid=()):
        seen = set() if seen is None else seen
        queue = [a for a in start if a not in seen]
        seen.update(queue)
        while queue:
            for t in self.out[queue.pop()]:
                if t not in seen and t not in avoid:
                    seen.add(t)
                    queue.append(t)
        return seen

    def collectable(self):
        """What the collector would find, as it would: over all objects."""
        candidates = {a for a, o in self.objects.items() if o.flags & TRACKED and o.flags & GENERATION != GENERATION}
        left = {a: self.objects[a].count for a in candidates}
        for a in candidates:
            for t, _, flags in self.objects[a].edges:
                if not flags & (UNCOUNTED | UNTRAVERSED) and t in left:
                    left[t] -= 1
        held = [a for a in candidates if left[a] > 0 or self.objects[a].flags & (IMMORTAL | DEFERRED | STATIC)]
        return candidates - self.reach(held)

    def lengths(self):
        """Objects on shortest chains, by the phases of paths.h."""
        found, always = {}, IMMORTAL | DEFERRED | STATIC
        dicts = [t for kind, t in self.roots if kind == INTERPRETER and self.objects[t].type == 'dict']
        modules = [t for d in dicts for t in self.out[d] if self.objects[t].type == 'module']
        c_held = [a for a, o in self.objects.items() if self.surplus[a] > 0 or o.flags & always]
        for start in ([t for kind, t in self.roots if kind not in (TYPE, GARBAGE)] + modules,
                      [t for kind, t in self.roots if kind in (TYPE, GARBAGE)],
                      [a for a in c_held if self.type_flags[self.objects[a].type] & GC], c_held):
            level, n = [a for a in set(start) if a not in found], 1
            while level:
                found.update(dict.fromkeys(level, n))
                level, n = list({t for a in level for t in self.out[a] if t not in found}), n + 1
        return found


def test_snapshots_are_read_the_same_twice(python, tmp):
    """Every column and edge; what is garbage, and how far everything is from a root, by plain algorithms."""
    script = os.path.join(tmp, 'program.py')
    with open(script, 'w') as f:
        f.write(PROGRAM)
    done = harness.run_traced([python.path, '-S', '-B', script], tmp, {'PYTRACE_SNAPSHOT': 'exit'}).check()
    decoded = snapshots.read(done.trace)[1].decode()
    seen, roots = probe(done.trace)
    want = {a: (0 if o.flags & IMMORTAL else min(o.count, 2 ** 32 - 1), o.bytes, o.flags & 0xffff, o.type or '?',
                [(t if t in decoded.objects else 0, name, flags) for t, name, flags in o.edges])
            for a, o in decoded.objects.items()}
    got = {a: (o.count, o.bytes, o.flags, o.type, o.edges) for a, o in seen.items()}
    wrong = [(hex(a), want.get(a), got.get(a)) for a in want.keys() | got.keys() if want.get(a) != got.get(a)]
    assert len(want) > 3000 and not wrong, (len(wrong), wrong[:3])
    assert sorted(roots) == sorted((r[0], e[0] if e[0] in decoded.objects else 0, e[2]) for r in decoded.roots for e in r[4])
    graph = Graph(decoded)
    check_garbage(graph, seen)
    lengths = graph.lengths()
    wrong = [(hex(a), o.type, o.length, lengths.get(a, 0)) for a, o in seen.items() if o.length != lengths.get(a, 0)]
    assert not wrong, (len(wrong), wrong[:5])
    check_dominators(graph, seen)


def check_garbage(graph, seen):
    wrong = [(hex(a), o.type, o.surplus, graph.surplus[a]) for a, o in seen.items() if o.surplus != graph.surplus[a]]
    assert not wrong, (len(wrong), wrong[:5])
    want, got = graph.collectable(), {a for a, o in seen.items() if o.state == 1}
    assert want == got, [(seen[a].type, a in want) for a in want ^ got][:5]
    types = collections.Counter(seen[a].type for a in got)
    assert types['__main__.Node'] == 60 and types['__main__.Slots'] == 30 and types['list'] >= 91, types
    assert types['type'] >= 1, types


def check_dominators(graph, seen):
    """Retained sizes add up, and for some objects what can't be reached without them is what they retain."""
    below = collections.defaultdict(int)
    for o in seen.values():
        below[o.parent] += o.retained
    assert all(o.retained == o.bytes + below[o.address] for o in seen.values())
    assert below[0] == sum(o.bytes for o in seen.values())
    start = {t for _, t in graph.roots}
    start |= {a for a, o in graph.objects.items() if o.flags & (IMMORTAL | STATIC) or
              (graph.surplus[a] > 0 and graph.type_flags[o.type] & GC)}
    reached = graph.reach(start)
    for a in sorted(graph.objects):
        if a not in reached and (graph.surplus[a] > 0 or graph.objects[a].flags & DEFERRED):
            start.add(a)
            graph.reach([a], reached)
    start |= graph.objects.keys() - reached
    some = [a for a in sorted(reached) if seen[a].retained > seen[a].bytes][::40][:40]
    some += [a for a in sorted(reached) if seen[a].type == '__main__.Node'][:10]
    for a in some:
        gone = graph.objects.keys() - graph.reach(start - {a}, avoid={a})
        assert seen[a].retained == sum(seen[x].bytes for x in gone), (seen[a].type, seen[a].retained, len(gone))
    assert len(some) > 20


def test_large_heaps_have_the_answers_that_they_were_made_for(tmp):
    out = subprocess.run([harness.built('synth/heap_bench'), os.path.join(tmp, 'large.pytrace'), '400000'],
                         stdout=subprocess.PIPE, check=True).stdout
    figures = json.loads(out)
    assert figures['objects'] > 390000 and figures['edges'] > 590000
    assert figures['all']['peak_bytes_an_object'] < 110, figures['all']
