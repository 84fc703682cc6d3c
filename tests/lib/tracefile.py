# SPDX-License-Identifier: Apache-2.0
"""tracefile: a reader of trace files written from formats/FORMAT.md alone.

It shares no line with the analyzer, so it is an oracle for both sides: what the tracer wrote, what the analyzer read. Slow
(about 400,000 events a second), plain, and strict: anything that FORMAT.md forbids is an error here.
"""
import ctypes
import ctypes.util
import itertools
import struct

FRONT = struct.Struct('<8sHHIIIIIQQQQQ256s256sQIIiIQQ8QQ')
FRONT_NAMES = ('magic version header_bytes incompatible compatible page_bytes pid ppid start_real_ns start_mono_ns id '
               'parent_id fork_serial program parent_file fixed_xxh3 x_state x_ended x_exit_status x_stop x_end_ns '
               'x_file_end').split()
BLOCK = struct.Struct('<IHHIIIIQQQQQQQ')
BLOCK_NAMES = ('magic kind flags stored_bytes raw_bytes thread n_events first_slot n_slots first_run first_ns last_ns '
               'payload_xxh3 header_xxh3').split()
RING = struct.Struct('<IIQQQQII')
RING_NAMES = 'x_thread x_tid x_base_slot x_head x_run x_ns n_slots slots_offset'.split()
BLOCK_MAGIC = 0x4b425450
DEFS, EVENTS, RING_BLOCK, PAD, FOOTER = 1, 2, 3, 4, 5
ZSTD = 1

# Section 4.
SHAPES = {128: 'PAIR', 129: 'PAIR', 130: 'PAIR', 192: 'BYTES', 193: 'BYTES', 194: 'BYTES', 195: 'BYTES', 196: 'BYTES',
          197: 'WORDS', 198: 'BYTES', 199: 'BYTES', 200: 'WORDS', 201: 'WORDS', 202: 'BYTES', 203: 'BYTES'}
SHAPES.update({op: 'PAIR' for op in range(131, 155)})
for kind, shape in enumerate('ALLOC FREE FREE ALLOC FREE RANGE RANGE RANGE'.split()):
    SHAPES.update({kind << 4 | layer: shape for layer in range(16)})
KINDS = 'alloc free move-begin move-end move-fail map unmap unmap-fail'.split()
LAYERS = 'mmap malloc raw mem object arena file reserve heap 9 10 11 12 13 14 moved'.split()
NAMES = dict(zip(range(128, 155), 'run time size64 fork forked py-init py-fini lost rss thread end mark switch figure snapshot gc-begin gc-end gc-set reuse retire watch count unwatch region-begin region-end pause resume'.split()))
WATCH, COUNT, UNWATCH, REGION_BEGIN, REGION_END, PAUSE, RESUME = 148, 149, 150, 151, 152, 153, 154
KEPT = 0x7fffffff  # the stack of what moved while recording was stopped
RUN, TIME, SIZE64, PY_INIT, PY_FINI, MARK, SWITCH = 128, 129, 130, 133, 134, 139, 140
META, SCHEMA, STRING, CODE, CODE_TAIL, FRAME = 192, 193, 194, 195, 196, 197
THREAD_NAME, MODULE, NATIVE, JOIN, TASK, TYPE = 198, 199, 200, 201, 202, 203
FREE_OBJECT = 20
EXACT, EVAL, CUT = 1, 2, 4
M64, M48, M32 = (1 << 64) - 1, (1 << 48) - 1, (1 << 32) - 1


class Bad(Exception):
    """The file breaks a rule of FORMAT.md."""


def _library(name, soname):
    try:
        return ctypes.CDLL(soname)
    except OSError:
        return ctypes.CDLL(ctypes.util.find_library(name))


_xxhash = _zstd = None


def xxh3(data):
    global _xxhash
    if _xxhash is None:
        _xxhash = _library('xxhash', 'libxxhash.so.0')
        _xxhash.XXH3_64bits.restype = ctypes.c_uint64
        _xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return _xxhash.XXH3_64bits(bytes(data), len(data))


def unzstd(data, size):
    global _zstd
    if _zstd is None:
        _zstd = _library('zstd', 'libzstd.so.1')
        _zstd.ZSTD_decompress.restype = ctypes.c_size_t
        _zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    out = ctypes.create_string_buffer(size + 1)
    got = _zstd.ZSTD_decompress(out, size + 1, bytes(data), len(data))
    if got != size:
        raise Bad('a zstd payload does not unpack to raw_bytes')
    return out.raw[:size]


# ---- numbers ----

class Cursor:
    def __init__(self, data, at=0):
        self.data, self.at, self.end = data, at, len(data)

    def u8(self):
        if self.at >= self.end:
            raise Bad('a record ends early')
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        at, end, v, shift = self.at, self.end, 0, 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            if byte < 0x80:
                self.at = at
                return (v | byte << shift) & M64 if shift else byte
            v |= (byte & 0x7f) << shift
            shift += 7
        raise Bad('a varint has more than ten bytes' if shift == 70 else 'a record ends early')

    def delta(self, last):
        return (last + unzigzag(self.varint())) & M64

    def take(self, n):
        if n > self.end - self.at:
            raise Bad('a record ends early')
        self.at += n
        return bytes(self.data[self.at - n:self.at])


def varints(data):
    """All numbers of a column."""
    out, v, shift = [], 0, 0
    for byte in data:
        if byte >= 0x80:
            v |= (byte & 0x7f) << shift
            shift += 7
            if shift == 70:
                raise Bad('a varint has more than ten bytes')
        elif shift:
            out.append((v | byte << shift) & M64)
            v = shift = 0
        else:
            out.append(byte)
    if shift:
        raise Bad('a column ends within a number')
    return out


def unzigzag(v):
    return v >> 1 ^ -(v & 1)


# ---- the predictor (5.1) ----

def size_group(size):
    return (size + 15) >> 4 if size <= 1024 else 55 + min(24, size.bit_length() - 1)


def columns_of(payload):
    head = Cursor(payload)
    n_columns = struct.unpack('<I', head.take(4))[0]
    if not 7 <= n_columns <= 256:
        raise Bad('n_columns is %d' % n_columns)
    sizes = struct.unpack('<%dI' % n_columns, head.take(4 * n_columns))
    return [head.take(size) for size in sizes] + ([b''] if n_columns == 7 else [])


def decode_events(payload, n, shapes):
    """[(op, address or a, size or b, stack)]; of a free of layer object the type instead of the size"""
    numbers = [iter(c if i < 2 else varints(c)) for i, c in enumerate(columns_of(payload)[:8])]
    next_op, next_how, next_stack, next_size, next_number, next_address, next_value, next_type = [c.__next__ for c in numbers]
    stack = given_stack = given_addr = context = freed = moved = 0
    contexts, pairs, made, out = {}, {}, [], []
    last, n_free, lifo = [0] * 160, [0] * 160, [[0] * 8 for _ in range(160)]
    shapes = [shapes.get(op) for op in range(256)]
    try:
        for _ in range(n):
            op = next_op()
            shape = shapes[op]
            if shape == 'PAIR':
                a, b = pairs.get(op, (0, 0))
                a = a + unzigzag(next_value()) & M64
                pairs[op] = a, b = a, b + unzigzag(next_value()) & M64
                out.append((op, a, b, 0))
                continue
            if shape not in ('ALLOC', 'FREE', 'RANGE'):
                raise Bad('op %d is no event' % op)
            x = contexts.get(context)
            if x is None:
                x = contexts[context] = [0, 0, 0, 0]  # next_stack, distance, size, type
            how = next_how()
            if how & 3 == 1:
                stack = x[0]
            elif how & 3:
                v = next_stack()
                stack = given_stack = given_stack + (v >> 1 ^ -(v & 1)) & M32
            x[0] = stack
            where, value, detail = how >> 3 & 3, 0, 0
            if shape == 'RANGE' or where == 2:
                if shape == 'RANGE' or (shape == 'ALLOC' and how & 4):
                    value = next_size()
                v = next_address()
                d = v >> 2 ^ -(v >> 1 & 1)
                addr = given_addr = given_addr + (d if v & 1 else d * 8) & M48
            elif shape == 'ALLOC' and how & 4:
                value = next_size()
            if shape == 'ALLOC':
                if how & 4:
                    x[2] = value
                value, pymalloc = x[2], op & 15 in (3, 4)
                detail = size_group(value)
                c = detail + 80 if pymalloc else detail
                if where == 0:
                    addr = lifo[c][(n_free[c] - 1) % 8] if n_free[c] else 0
                    n_free[c] -= 1
                elif where == 1:
                    addr = last[c] + (value + (15 if pymalloc else 23) & ~15) & M48
                elif where == 3:
                    addr = moved
                made.append((addr, c))
                last[c] = addr
            elif shape == 'FREE':
                if where != 2:
                    number = len(made) - 1 - x[1] if where == 0 else freed + 1 if where == 3 else \
                        freed + unzigzag(next_number()) & M32
                    if not 0 <= number < len(made) or len(made) - number > 65536:
                        raise Bad('a block is freed by a number that is out of reach')
                    addr, c = made[number]
                    x[1] = detail = len(made) - 1 - number
                    freed = number
                    if op >> 4 == 1:
                        lifo[c][n_free[c] % 8] = addr
                        n_free[c] += 1
                if op >> 4 == 2:
                    moved = addr
                if op == FREE_OBJECT:
                    if how & 32:
                        x[3] = next_type()
                    value = x[3]
                detail = min(16, detail)
            key = stack * 0x9e3779b1 & M32 ^ (op + detail * 131) * 0x85ebca6b & M32
            context = (key ^ key >> 15) >> 4 & 1023
            out.append((op, addr, value, stack))
    except StopIteration:
        raise Bad('a column ends early')
    for i, rest in enumerate(numbers):
        if any(True for _ in rest):
            raise Bad('column %d has something behind its last event' % i)
    return out


def decode_defs(payload, n, shapes):
    """[(op, id, data or four words)]"""
    rest, ids, words, out = iter(payload), {}, {}, []
    byte = rest.__next__

    def number():
        v = byte()
        if v >= 0x80:
            v &= 0x7f
            for shift in range(7, 70, 7):
                more = byte()
                v |= (more & 0x7f) << shift
                if more < 0x80:
                    return v & M64
            raise Bad('a varint has more than ten bytes')
        return v

    try:
        for _ in range(n):
            op, v = byte(), number()
            ids[op] = id = ids.get(op, 0) + (v >> 1 ^ -(v & 1)) & M64
            if shapes.get(op) == 'WORDS':
                a, b, c, d = words.get(op, (0, 0, 0, 0))
                v, w, x, y = number(), number(), number(), number()
                words[op] = last = (a + (v >> 1 ^ -(v & 1)) & M32, b + (w >> 1 ^ -(w & 1)) & M32,
                                    c + (x >> 1 ^ -(x & 1)) & M32, d + (y >> 1 ^ -(y & 1)) & M32)
                out.append((op, id, last))
            elif shapes.get(op) == 'BYTES':
                size = number()
                data = bytes(itertools.islice(rest, min(size, len(payload))))
                if len(data) < size:
                    raise Bad('a record ends early')
                out.append((op, id, data))
            else:
                raise Bad('op %d is no definition' % op)
    except StopIteration:
        raise Bad('a record ends early')
    if any(True for _ in rest):
        raise Bad('a DEFS payload has something behind its last record')
    return out


# ---- line tables (6) ----

def _lnotab(table, first, off):
    a, line = 0, first
    for i in range(0, len(table) - 1, 2):
        a += table[i]
        if a > off:
            break
        line += table[i + 1] - (256 if table[i + 1] > 127 else 0)
    return line, None, None


def _table310(table, first, off):
    s, line = 0, first
    for i in range(0, len(table) - 1, 2):
        d, dl = table[i], table[i + 1] - (256 if table[i + 1] > 127 else 0)
        if dl != -128:
            line += dl
        if s <= off < s + d:
            return (None if dl == -128 else line), None, None
        s += d
    return None, None, None


def _table311(table, first, off):
    i, s, line = 0, 0, first

    def varint():
        nonlocal i
        v = shift = 0
        while True:
            byte = table[i]
            i += 1
            v |= (byte & 63) << shift
            shift += 6
            if not byte & 64:
                return v

    def svarint():
        u = varint()
        return -(u >> 1) if u & 1 else u >> 1

    while i < len(table):
        code, width, shown, col, endcol = table[i] >> 3 & 15, 2 * ((table[i] & 7) + 1), True, None, None
        i += 1
        if code < 10:
            col = code << 3 | table[i] >> 4
            endcol = col + (table[i] & 15)
            i += 1
        elif code < 13:
            line += code - 10
            col, endcol = table[i], table[i + 1]
            i += 2
        elif code == 13:
            line += svarint()
        elif code == 14:
            line += svarint()
            varint()
            col, endcol = varint() - 1, varint() - 1
            col, endcol = (None if col < 0 else col), (None if endcol < 0 else endcol)
        else:
            shown = False
        if s <= off < s + width:
            return (line if shown else None), col, endcol
        s += width
    return None, None, None


class Module:
    def __init__(self, data):
        self.bias, self.start, self.end, path_bytes, build_id_bytes, self.flags = struct.unpack_from('<QQQHBB', data)
        if 32 + build_id_bytes + path_bytes > len(data):
            raise Bad('a MODULE definition is too short for its path')
        self.build_id = data[32:32 + build_id_bytes]
        self.path = data[32 + build_id_bytes:][:path_bytes].decode('utf-8', 'surrogateescape')


class Type:
    def __init__(self, data):
        self.flags, self.basic_bytes, self.item_bytes, self.before_bytes = struct.unpack_from('<4I', data)
        self.name = data[16:].decode('utf-8', 'surrogatepass')


class Code:
    def __init__(self, data):
        (self.first_line, self.table_bytes, file_bytes, name_bytes, self.linetable) = struct.unpack_from('<IIHHB', data)
        if 16 + file_bytes + name_bytes > len(data):
            raise Bad('a CODE definition is too short for its names')
        self.file = data[16:16 + file_bytes].decode('utf-8', 'surrogatepass')
        self.name = data[16 + file_bytes:16 + file_bytes + name_bytes].decode('utf-8', 'surrogatepass')
        self.table = data[16 + file_bytes + name_bytes:][:self.table_bytes]
        self.cache = {}

    def position(self, off):
        """(line, column, end column)"""
        if off not in self.cache:
            decode = {1: _lnotab, 2: _table310, 3: _table311}.get(self.linetable)
            line, col, endcol = decode(self.table, self.first_line, off) if decode and off != M32 else (None, None, None)
            self.cache[off] = (line, col, endcol) if line and line > 0 else (self.first_line, None, None)
        return self.cache[off]


# ---- the file ----

class Block:
    def __init__(self, at, fields):
        self.at = at
        self.__dict__.update(zip(BLOCK_NAMES, fields))


class TraceFile:
    """`front` (dict), `blocks`, `rings`, `meta`, `code`, `frames`, `modules`, `natives`, `joins`, `tasks`, `footer`, and runs
    of events in true order."""

    def __init__(self, path, strict=True):
        with open(path, 'rb') as f:
            self.data = f.read()
        self.strict = strict  # else definitions may be missing, as in a copy of a damaged trace
        self.shapes, self.meta, self.code, self.frames, self.strings = dict(SHAPES), {}, {}, {}, {}
        self.modules, self.natives, self.joins, self.tasks, self.types = {}, {}, {}, {}, {}
        self.names, self.schemas, self.holes, self.n_defs = dict(NAMES), 0, [], 0
        self.read_front()
        self.read_blocks()
        self.read_definitions()

    def read_front(self):
        if len(self.data) < FRONT.size:
            raise Bad('shorter than a front page')
        fields = FRONT.unpack_from(self.data)
        self.front = dict(zip(FRONT_NAMES, fields))
        self.front['x_lost'], self.front['x_last_ns'] = fields[22:30], fields[30]
        f = self.front
        if f['magic'] != b'PYTRACE\n' or f['version'] != 1 or f['incompatible']:
            raise Bad('not a trace of version 1')
        if f['fixed_xxh3'] != xxh3(self.data[:584]):
            raise Bad('the checksum of the front page is wrong')
        for name in 'program', 'parent_file':
            f[name] = f[name].rstrip(b'\0').decode()

    def header(self, at):
        if at + BLOCK.size > len(self.data):
            return None
        b = Block(at, BLOCK.unpack_from(self.data, at))
        good = b.magic == BLOCK_MAGIC and b.header_xxh3 == xxh3(self.data[at:at + 72]) and \
            at + 80 + b.stored_bytes <= len(self.data)
        return b if good else None

    def read_blocks(self):
        self.blocks, self.rings, self.footer, at = [], [], None, self.front['header_bytes']
        end = min(self.front['x_file_end'] or len(self.data), len(self.data))
        hole = None
        while at < end:
            b = self.header(at)
            if not b:
                hole = at if hole is None else hole
                at += 16
                continue
            if hole is not None:
                self.add_hole(hole, at)
                hole = None
            self.add_block(b)
            at = (at + 80 + b.stored_bytes + 15) & ~15
        if hole is not None:
            self.add_hole(hole, end)

    def add_hole(self, start, end):
        if any(self.data[start:end]):
            self.holes.append((start, end))

    def add_block(self, b):
        stored = self.data[b.at + 80:b.at + 80 + b.stored_bytes]
        if b.kind == RING_BLOCK:
            if b.at % self.front['page_bytes']:
                raise Bad('a ring is not aligned to a page')
            self.rings.append(b)
        b.damaged = b.kind not in (RING_BLOCK, PAD) and b.payload_xxh3 != xxh3(stored)
        if b.kind in (DEFS, EVENTS, FOOTER) and not b.damaged:
            b.payload = unzstd(stored, b.raw_bytes) if b.flags & ZSTD else stored
            if len(b.payload) != b.raw_bytes:
                raise Bad('raw_bytes is wrong')
            if b.kind == FOOTER:
                self.read_footer(b)
        if b.damaged:
            self.holes.append((b.at, b.at + 80 + b.stored_bytes))
        self.blocks.append(b)

    def read_footer(self, b):
        words = struct.unpack('<%dQ' % (len(b.payload) // 8), b.payload)
        self.footer = dict(zip('n_events n_defs n_blocks n_threads duration_ns n'.split(), words))
        if len(words) != 6 + 2 * words[5]:
            raise Bad('the footer has the wrong length')
        self.footer['ops'] = dict(zip(words[6::2], words[7::2]))

    def ring_slots(self, b):
        """(thread, run, time, [(head, b, offset of the data)]) of what a ring holds beyond its thread's blocks."""
        ring = dict(zip(RING_NAMES, RING.unpack_from(self.data, b.at + 80)))
        if ring['slots_offset'] + 16 * ring['n_slots'] > 80 + b.stored_bytes:
            raise Bad('a ring is larger than its block')
        done = max([x.first_slot + x.n_slots for x in self.blocks
                    if x.kind == EVENTS and x.thread == ring['x_thread'] and not x.damaged] or [0])
        n = min(ring['x_head'], ring['n_slots'])
        skip = min(max(0, done - ring['x_base_slot']), n)
        start = b.at + ring['slots_offset']
        return ring, skip, [struct.unpack_from('<QQ', self.data, start + 16 * i) + (start + 16 * i + 16,) for i in range(n)]

    def ring_events(self, b):
        """Events and definitions of a ring, SIZE64 folded in; from the first slot that no block holds."""
        ring, skip, slots = self.ring_slots(b)
        events, defs, i, big, run, ns = [], [], 0, 0, ring['x_run'], ring['x_ns']
        while ring['x_thread'] and i < len(slots):
            head, value, at = slots[i]
            op, a, shape = head >> 48 & 255, head & M48, self.shapes.get(head >> 48 & 255)
            if head >> 56 or shape is None:
                raise Bad('slot %d of the ring of thread %d: %016x' % (i, ring['x_thread'], head))
            if shape in ('BYTES', 'WORDS'):
                more = (value + 15) // 16
                if i + more >= len(slots):
                    break
                if i >= skip:
                    data = self.data[at:at + value]
                    defs.append((op, a, struct.unpack('<4I', data) if shape == 'WORDS' else data))
                i += 1 + more
                continue
            i += 1
            if op == SIZE64:
                big = value
                continue
            if op == RUN and i - 1 < skip:
                run, ns = a, value
            if i - 1 >= skip:
                size = value & M32
                events.append((op, a, value, 0) if shape == 'PAIR' else
                              (op, a, (value & M32 if op == FREE_OBJECT else 0) if shape == 'FREE' else big if size == M32 and big else size, value >> 32))
            big = 0
        return ring['x_thread'], run, ns, events, defs

    def read_definitions(self):
        for b in self.blocks:
            if b.kind == DEFS and not b.damaged:
                for d in decode_defs(b.payload, b.n_events, self.shapes):
                    self.define(*d)
        self.in_rings = [self.ring_events(b) for b in self.rings]
        for _, _, _, _, defs in self.in_rings:
            for d in defs:
                self.define(*d)
        if self.strict:
            self.check_stacks()

    def check_stacks(self):
        for id, (parent, code, _) in self.frames.items():
            if (code and code not in self.code) or (parent and parent not in self.frames):
                raise Bad('FRAME %d: parent %d, code %d' % (id, parent, code))
        for id, (parent, module, offset, flags) in self.natives.items():
            if (module and module not in self.modules) or (parent and parent not in self.natives):
                raise Bad('NATIVE %d: parent %d, module %d' % (id, parent, module))
            if flags & CUT and (parent or module or offset):
                raise Bad('NATIVE %d: cut, but not at the outer end' % id)
        for id, (python, native) in self.joins.items():
            if (python and python not in self.frames) or (native and native not in self.natives):
                raise Bad('JOIN %d: python %d, native %d' % (id, python, native))
        if len(self.frames.keys() | self.natives.keys() | self.joins.keys()) != \
                len(self.frames) + len(self.natives) + len(self.joins):
            raise Bad('a stack id has two meanings')

    def define(self, op, id, data):
        self.n_defs += 1
        if op == SCHEMA:
            self.schemas += 1
            for line in data.decode().splitlines():
                number, shape, name = line.split(' ', 2)
                for i in range(16 if int(number) < 128 else 1):
                    self.shapes[int(number) + i] = shape
        elif op == META:
            key, _, value = data.partition(b'=')
            self.meta[key.decode()] = value.decode('utf-8', 'surrogateescape')
        elif op == CODE:
            self.code[id] = Code(data)
        elif op == CODE_TAIL and id in self.code:
            c = self.code[id]
            c.table = (c.table + data)[:c.table_bytes]
        elif op == STRING:
            self.strings[id] = data.decode()
        elif op == FRAME:
            parent, code, offset, flags = data
            if parent >= id:
                raise Bad('FRAME %d: its parent is %d' % (id, parent))
            self.frames[id] = (parent, code, offset)
        elif op == MODULE:
            self.modules[id] = Module(data)
        elif op == NATIVE:
            parent, module, offset, flags = data
            if parent >= id:
                raise Bad('NATIVE %d: its parent is %d' % (id, parent))
            self.natives[id] = (parent, module, offset | flags >> 16 << 32, flags & 0xffff)
        elif op == JOIN:
            python, native, zero, zero2 = data
            if python >= id or native >= id or zero or zero2:
                raise Bad('JOIN %d: python %d, native %d' % (id, python, native))
            self.joins[id] = (python, native)
        elif op == TASK:
            self.tasks[id] = data
        elif op == TYPE:
            self.types[id] = Type(data)

    def __getattr__(self, name):
        """Events are read when somebody asks for them."""
        if name not in ('runs', 'n_events'):
            raise AttributeError(name)
        self.read_events()
        return self.__dict__[name]

    def read_events(self):
        """self.runs: {run: (thread, [(op, a, b, stack, time)])}"""
        self.runs, self.n_events = {}, 0
        for b in sorted((b for b in self.blocks if b.kind == EVENTS and not b.damaged), key=lambda b: b.first_slot):
            self.add_events(b.thread, b.first_run, b.first_ns, decode_events(b.payload, b.n_events, self.shapes))
            self.n_events += b.n_events
        for thread, run, ns, events, _ in self.in_rings:
            self.add_events(thread, run, ns, events)

    def add_events(self, thread, run, ns, events):
        for op, a, b, stack in events:
            if op == RUN:
                run, ns = a, b
                if run in self.runs:
                    raise Bad('run %d comes twice' % run)
            elif op == TIME:
                ns = b
            if self.strict and op == FREE_OBJECT and b and b not in self.types:
                raise Bad('type %d is not defined' % b)
            owner, out = self.runs.setdefault(run, (thread, []))
            if owner != thread:
                raise Bad('run %d has two threads, %d and %d' % (run, owner, thread))
            if self.strict and stack not in (0, KEPT) and not (stack in self.frames or stack in self.natives or stack in self.joins):
                raise Bad('stack %d is not defined' % stack)
            out.append((op, a, b, stack, ns))

    def events(self):
        """All events in true order: (thread, op, a, b, stack, time)."""
        for run in sorted(self.runs):
            thread, events = self.runs[run]
            for e in events:
                yield (thread,) + e

    def only(self, *ops):
        """(op, a, b, stack) of these events, each thread's in its order: for what does not depend on the order of all."""
        for b in self.blocks:
            if b.kind == EVENTS and not b.damaged:
                yield from (e for e in decode_events(b.payload, b.n_events, self.shapes) if e[0] in ops)
        for _, _, _, events, _ in self.in_rings:
            yield from (e for e in events if e[0] in ops)

    def stack(self, id):
        """Its Python frames, [(file, line, column, function)], innermost first."""
        out = []
        id = self.parts(id)[0]
        while id:
            id, code, offset = self.frames[id]
            if code:
                out.append(self.frame(code, offset))
        return out

    def parts(self, id):
        """The ids of its Python and of its native stack."""
        return self.joins.get(id) or ((0, id) if id in self.natives else (id, 0))

    def frame(self, code, offset):
        c = self.code[code]
        line, col, _ = c.position(offset)
        return c.file, line, col, c.name

    def merged(self, id):
        """All its frames, innermost first: (file, line, column, function), and (module, offset, flags) of native ones."""
        python, native = self.parts(id)
        out = []
        while native:
            native, module, offset, flags = self.natives[native]
            group = []
            if flags & EVAL:
                while python and self.frames[python][1]:
                    group.append(self.frame(*self.frames[python][1:]))
                    python = self.frames[python][0]
                python = python and self.frames[python][0]
            out += group or [(module, offset, flags)]
        return out + (self.stack(python) if python else [])

    def name(self, op):
        return '%s %s' % (KINDS[op >> 4], LAYERS[op & 15]) if op < 128 else self.names.get(op, str(op))

    def is_complete(self):
        return self.footer is not None and not self.holes


def replay(trace, inherited=()):
    """What is alive where FORMAT.md section 4 says "at the end": {address: (layer, size, stack)} of blocks, with
    totals per (layer, stack): {(layer, stack): [live bytes, live blocks, total bytes, total blocks]}. Mappings are
    left out: what happened to them, [(kind, address, size, layer, stack, whether before that end, thread)], is the third thing
    returned."""
    live, maps, sums = dict(inherited), [], {}
    end = last_end(trace)
    moving = {}

    def entry(layer, stack):
        return sums.setdefault((layer, stack), [0, 0, 0, 0])

    def add(layer, addr, size, stack):
        drop(layer, addr)
        live[layer, addr] = (size, stack)
        e = entry(layer, stack)
        for i, v in enumerate((size, 1, size, 1)):
            e[i] += v

    def drop(layer, addr):
        was = live.pop((layer, addr), None)
        if was:
            subtract(layer, *was)

    def subtract(layer, size, stack):
        e = entry(layer, stack)
        e[0] -= size
        e[1] -= 1

    at_end = None
    for i, (thread, op, a, b, stack, _) in enumerate(trace.events()):
        if i == end:  # totals go on to the end of the trace
            at_end = dict(live), {k: tuple(v[:2]) for k, v in sums.items()}, list(maps)
        if op >= 128:
            continue
        kind, layer = op >> 4, op & 15
        if kind in (0, 3):
            if kind == 3:
                _, was = moving.pop((thread, layer), (None, None))
                if was:
                    subtract(layer, *was)
                if stack == KEPT and not was:
                    continue
                stack = was[1] if stack == KEPT else stack
            add(layer, a, b, stack)
        elif kind == 1:
            drop(layer, a)
        elif kind == 2:
            moving[thread, layer] = a, live.pop((layer, a), None)  # another thread may have its address before the end
        elif kind == 4:
            _, was = moving.pop((thread, layer), (None, None))
            if was:
                live[layer, a] = was
        elif kind in (5, 6, 7):
            maps.append((KINDS[kind], a, b, layer, stack, i < end if end is not None else True, thread))
    if at_end:
        live = at_end[0]
        for key, e in sums.items():
            e[:2] = at_end[1].get(key, (0, 0))
    return live, sums, maps


def last_end(trace):
    """The index of the last py-fini that no py-init follows; None: there is none."""
    end = None
    for i, (_, op, _, _, _, _) in enumerate(trace.events()):
        if op == PY_FINI and end is None:
            end = i
        elif op == PY_FINI:
            end = i
        elif op == PY_INIT:
            end = None
    return end
