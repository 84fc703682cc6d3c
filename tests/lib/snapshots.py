# SPDX-License-Identifier: Apache-2.0
"""snapshots: a reader of SNAPSHOT blocks written from FORMAT.md 5.5 alone, independent of the analyzer's.

`read(trace)` gives the snapshots of a file by number; `Snapshot.objects` decodes all of it, the rest is quick.
"""
import tracefile

SNAPSHOT_BLOCK = 6
STRING, TYPE, OBJECT, TEXT, ROOT, FACT, AREA, END, LOST, KEEPER = range(1, 11)
NAMED, RAW = 3, 1 << 7
REASONS = {1: 'exit', 2: 'signal', 3: 'timer', 4: 'growth', 5: 'gc', 6: 'call', 7: 'fatal'}


class Object:
    __slots__ = ('flags', 'type', 'count', 'bytes', 'edges', 'raw')

    def __init__(self, flags, type, count, size):
        self.flags, self.type, self.count, self.bytes, self.edges, self.raw = flags, type, count, size, [], []


class Snapshot:
    """`pieces`: [(number, records, payload)] in the order of the file; `facts`, `complete`, and `reason` without decoding."""

    def __init__(self, number):
        self.number, self.pieces = number, []
        self._decoded = None

    def check(self):
        assert [p[0] for p in self.pieces] == list(range(len(self.pieces))), 'pieces: %s' % [p[0] for p in self.pieces]
        return self

    @property
    def complete(self):
        """Whether the last record is an END."""
        if not self.pieces:
            return False
        data = self.pieces[-1][2]
        for at in range(max(0, len(data) - 31), len(data) - 3):
            if data[at] == END:
                c = tracefile.Cursor(data, at + 1)
                try:
                    for _ in range(3):
                        c.varint()
                except (IndexError, tracefile.Bad):
                    continue
                if c.at == len(data):
                    return True
        return False

    @property
    def facts(self):
        return self.decode(facts_only=True).facts

    @property
    def reason(self):
        return REASONS[self.facts['reason']]

    def decode(self, facts_only=False):
        if self._decoded is None or not (facts_only or self._decoded.whole):
            self._decoded = Decoded(self.pieces, facts_only)
        return self._decoded

    @property
    def objects(self):
        return self.decode().objects


class Decoded:
    """`facts` {key: value}, `objects` {address: Object}, `texts` {address: bytes}, `roots`, `areas`, `types`, `end`, `lost` {address: (bytes, [addresses])},
    `keepers` [(kind, address, bytes, [addresses])]."""

    def __init__(self, pieces, facts_only):
        self.strings, self.types, self.facts, self.objects, self.texts = [''], [None], {}, {}, {}
        self.lost, self.keepers = {}, []
        self.roots, self.areas, self.end, self.whole = [], [], None, not facts_only
        for _, records, data in pieces:
            c, last = tracefile.Cursor(data), {OBJECT: 0, TEXT: 0, LOST: 0, KEEPER: 0}
            for _ in range(records):
                kind = c.u8()
                if facts_only and kind in (TYPE, OBJECT, ROOT):
                    return
                self.record(kind, c, last)
            assert c.at == len(data), 'a piece has %d bytes more than its records' % (len(data) - c.at)

    def record(self, kind, c, last):
        v = c.varint
        if kind == STRING:
            self.strings.append(c.take(v()).decode('utf-8', 'surrogateescape'))
        elif kind == TYPE:
            fields = [v() for _ in range(5)]
            self.types.append((self.strings[v()], *fields))
        elif kind == OBJECT:
            self.object(c, last)
        elif kind == TEXT:
            last[TEXT] = c.delta(last[TEXT])
            self.texts[last[TEXT]] = c.take(v())
        elif kind == ROOT:
            what, label, detail, number = v(), self.strings[v()], self.strings[v()], v()
            self.roots.append((what, label, detail, number, [(c.delta(0), *self.name(c)) for _ in range(v())]))
        elif kind == FACT:
            key = self.strings[v()]
            self.facts[key] = v()
        elif kind == AREA:
            start, pages, flags, file, resident = v(), v(), v(), self.strings[v()], v()
            self.areas.append((start, pages, flags, file, resident, [v() for _ in range(v())]))
        elif kind == END:
            self.end = v(), v(), v()
        elif kind == LOST:
            address = last[LOST] = c.delta(last[LOST])
            self.lost[address] = v(), [c.delta(address) for _ in range(v())]
        elif kind == KEEPER:
            what, address = v(), c.delta(last[KEEPER])
            last[KEEPER] = word = address
            self.keepers.append((what, address, v(), []))
            for _ in range(v()):
                word = c.delta(word)
                self.keepers[-1][3].append(word)
        else:
            raise tracefile.Bad('record of kind %d' % kind)

    def name(self, c):
        word = c.varint()
        return self.strings[word >> 2], word & 3

    def object(self, c, last):
        v = c.varint
        flags = v()
        address = last[OBJECT] = c.delta(last[OBJECT])
        o = self.objects[address] = Object(flags, self.types[v()][0], v(), v())
        for _ in range(v()):
            target = c.delta(address)
            o.edges.append((target, *self.name(c)) if flags & NAMED == NAMED else (target, '', 0))
        if flags & RAW:
            o.raw = [c.delta(address) for _ in range(v())]


class Blocks(tracefile.TraceFile):
    """The blocks of a file, without their events."""

    def read_definitions(self):
        pass

    def read_events(self):
        pass


def read(path):
    """{number: Snapshot} of a trace."""
    t, found = Blocks(path), {}
    for b in t.blocks:
        if b.kind != SNAPSHOT_BLOCK or b.damaged:
            continue
        data = t.data[b.at + 80:b.at + 80 + b.stored_bytes]
        if b.flags & tracefile.ZSTD:
            data = tracefile.unzstd(data, b.raw_bytes)
        assert len(data) == b.raw_bytes and b.thread == 0
        found.setdefault(b.first_slot, Snapshot(b.first_slot)).pieces.append((b.n_slots, b.n_events, data))
    return {n: s.check() for n, s in sorted(found.items())}
