# SPDX-License-Identifier: Apache-2.0
"""tracewriter: makes trace files from formats/FORMAT.md alone, well-formed or hostile, for tests of readers.

Predicts nothing: every field of an event is given in its column, which the format allows.
"""
import struct

from tracefile import (BLOCK, BLOCK_MAGIC, DEFS, EVENTS, FOOTER, FRONT, RING, RING_BLOCK, SHAPES, M32, M48, xxh3)

SCHEMA_TEXT = ''.join('%03d %s x\n' % (op, shape) for op, shape in sorted(SHAPES.items()) if op > 127 or op % 16 == 0)


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7f | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def zigzag(v):
    return v << 1 if v >= 0 else -v * 2 - 1


def delta(value, last):
    d = value - last & (1 << 64) - 1
    return varint(zigzag(d - (1 << 64) if d >> 63 else d))


def events_payload(events, shapes=SHAPES):
    """[(op, address or a, size or b, stack)] as an EVENTS payload."""
    col, stack, addr, pairs = [bytearray() for _ in range(7)], 0, 0, {}
    for op, a, b, s in events:
        col[0].append(op)
        shape = shapes.get(op)
        if shape == 'PAIR':
            x, y = pairs.get(op, (0, 0))
            col[6] += delta(a, x) + delta(b, y)
            pairs[op] = a, b
            continue
        col[1].append(2 | 2 << 3 | (4 if shape != 'FREE' else 0))
        col[2] += delta(s, stack)
        if shape != 'FREE':
            col[3] += varint(b)
        col[5] += varint(zigzag(a - addr) << 1 | 1)
        stack, addr = s, a
    return struct.pack('<I7I', 7, *map(len, col)) + b''.join(map(bytes, col))


def defs_payload(defs, shapes=SHAPES):
    """[(op, id, data)] as a DEFS payload."""
    out, ids, words = bytearray(), {}, {}
    for op, id, data in defs:
        out += bytes([op]) + delta(id, ids.get(op, 0))
        ids[op] = id
        if shapes.get(op) == 'WORDS':
            last = words.get(op, (0, 0, 0, 0))
            words[op] = struct.unpack('<4I', data)
            for w, l in zip(words[op], last):
                d = w - l & M32
                out += varint(zigzag(d - (1 << 32) if d >> 31 else d))
        else:
            out += varint(len(data)) + data
    return bytes(out)


def code(file, name, first_line=1, table=b'', kind=0, table_bytes=None):
    file, name = file.encode(), name.encode()
    return struct.pack('<IIHHB3x', first_line, len(table) if table_bytes is None else table_bytes, len(file), len(name),
                       kind) + file + name + table


def frame(parent, code_id, offset=0, flags=0):
    return struct.pack('<4I', parent, code_id, offset, flags)


def slot(op, a, b, stack=None):
    return struct.pack('<QQ', op << 48 | a & M48, b if stack is None else b | stack << 32)


class Writer:
    """Collects blocks; bytes() gives the file. Every number of a header can be set wrong by keyword."""

    def __init__(self, **front):
        self.front, self.blocks, self.slots = front, bytearray(), {}

    def block(self, kind, payload, **header):
        h = {'magic': BLOCK_MAGIC, 'kind': kind, 'flags': 0, 'stored_bytes': len(payload), 'raw_bytes': len(payload),
             'thread': 1, 'n_events': 0, 'first_slot': 0, 'n_slots': 0, 'first_run': 0, 'first_ns': 0, 'last_ns': 0,
             'payload_xxh3': 0 if kind in (3, 4) else xxh3(payload)}
        h.update(header)
        head = BLOCK.pack(*h.values(), 0)[:72]
        self.blocks += head + struct.pack('<Q', h.get('header_xxh3', xxh3(head))) + payload
        self.blocks += bytes(-len(self.blocks) % 16)
        return self

    def take_slots(self, thread, n):
        first = self.slots.get(thread, 0)
        self.slots[thread] = first + n
        return first

    def defs(self, defs, thread=1, **header):
        return self.block(DEFS, defs_payload(defs), n_events=len(defs), thread=thread,
                          first_slot=self.slots.get(thread, 0), **header)

    def events(self, events, thread=1, **header):
        return self.block(EVENTS, events_payload(events), **dict(
            {'n_events': len(events), 'thread': thread, 'n_slots': len(events),
             'first_slot': self.take_slots(thread, len(events))}, **header))

    def start(self):
        """What every trace begins with."""
        return self.defs([(193, 0, SCHEMA_TEXT.encode()), (192, 0, b'program=made.py')])

    def ring(self, slots, thread=1, base=0, head=None, n_slots=None, run=0, ns=0, offset=4096):
        at = 4096 + len(self.blocks)
        self.blocks += bytes(-at % 4096)
        n = len(slots)
        payload = RING.pack(thread, 100 + thread, base, n if head is None else head, run, ns,
                            n if n_slots is None else n_slots, offset)
        payload += bytes(4096 - 80 - len(payload)) + b''.join(slots)
        return self.block(RING_BLOCK, payload, thread=thread)

    def footer(self, n_events=0, n_defs=0, n_blocks=0, ops=()):
        words = [n_events, n_defs, n_blocks, 1, 1000, len(ops)] + [w for pair in ops for w in pair]
        return self.block(FOOTER, struct.pack('<%dQ' % len(words), *words), thread=0)

    def bytes(self):
        end = 4096 + len(self.blocks)
        f = {'magic': b'PYTRACE\n', 'version': 1, 'header_bytes': 4096, 'incompatible': 0, 'compatible': 0,
             'page_bytes': 4096, 'pid': 77, 'ppid': 1, 'start_real_ns': 10 ** 18, 'start_mono_ns': 5, 'id': 99,
             'parent_id': 0, 'fork_serial': 0, 'program': b'made.py', 'parent_file': b'', 'fixed_xxh3': 0, 'x_state': 3,
             'x_ended': 1, 'x_exit_status': 0, 'x_stop': 0, 'x_end_ns': 1000, 'x_file_end': end}
        f.update(self.front)
        page = bytearray(FRONT.pack(*f.values(), *[0] * 8, 1000))
        if 'fixed_xxh3' not in self.front:
            page[584:592] = struct.pack('<Q', xxh3(page[:584]))
        return bytes(page) + bytes(4096 - len(page)) + bytes(self.blocks)
