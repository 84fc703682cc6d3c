/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event: what a trace is made of, from events.def
 *
 * What:  ids, names and shapes of events; the 16-byte slot in which a ring holds them; the struct that a decoder
 *        hands out; definitions (code objects, stack frames).
 * Who:   both sides. The tracer writes slots, the analyzer reads events; nothing else is shared.
 * Never: allocates, locks, does I/O, or keeps a global that changes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pt_layer {
#define PT_LAYER(NAME, id, name, counted) PT_LAYER_##NAME = (id),
#include "formats/events.def"
	PT_LAYERS = 16,
};

enum pt_memory_kind {
#define PT_MEMORY(NAME, kind, shape, name) PT_##NAME = (kind),
#include "formats/events.def"
};

enum pt_op {
#define PT_EVENT(NAME, op, shape, name, a, b) PT_OP_##NAME = (op),
#include "formats/events.def"
	PT_OP_MEMORY_END = 128, /* ops below are kind << 4 | layer */
};

enum pt_shape {
	PT_SHAPE_NONE,
	PT_SHAPE_ALLOC,
	PT_SHAPE_FREE,
	PT_SHAPE_RANGE,
	PT_SHAPE_PAIR,
	PT_SHAPE_WORDS,
	PT_SHAPE_BYTES
};

/* Why events are missing (PT_OP_LOST, and `lost` in the front page). */
enum pt_lost { PT_LOST_BUSY = 1, PT_LOST_MEMORY = 2, PT_LOST_OUTPUT = 3, PT_LOST_UNKNOWN = 4, PT_LOST_KINDS = 8 };

static inline uint8_t pt_memory_op(enum pt_memory_kind kind, enum pt_layer layer)
{
	return (uint8_t)((unsigned)kind << 4 | (unsigned)layer);
}
static inline bool pt_op_is_memory(uint8_t op) { return op < PT_OP_MEMORY_END; }
static inline enum pt_memory_kind pt_op_kind(uint8_t op) { return (enum pt_memory_kind)(op >> 4); }
/* Whether the size of such an event is no size but a type: what lay in the block that is freed. */
static inline bool pt_op_has_type(uint8_t op) { return op == (PT_FREE << 4 | PT_LAYER_OBJECT); }
static inline enum pt_layer pt_op_layer(uint8_t op) { return (enum pt_layer)(op & 15); }

/* The shape that this version of the list gives to an op; PT_SHAPE_NONE when it knows none. */
extern const uint8_t pt_shapes[256];
static inline enum pt_shape pt_op_shape(uint8_t op) { return (enum pt_shape)pt_shapes[op]; }
/* Names for people: "alloc", "run"; NULL when unknown. Static storage. */
const char *pt_op_name(uint8_t op);
const char *pt_layer_name(enum pt_layer layer);
/* Whether the layer's bytes belong in the sum that a user calls memory. */
bool pt_layer_counted(enum pt_layer layer);
/* The names of a PAIR's two numbers ("run", "time_ns"); NULL when the op has none. */
const char *pt_op_field(uint8_t op, int field);

/* The list as text, "op shape name" a line, memory kinds with their op base: what a SCHEMA record holds.
 * Writes at most `cap` bytes without a terminating zero and returns the length of the whole text. */
size_t pt_schema_text(char *buf, size_t cap);
/* Reads such a text into shapes[256]; lines that it can't read are passed over. */
void pt_schema_parse(const char *text, size_t len, uint8_t shapes[256]);

/*
 * A slot: one event in a ring, as the traced thread writes it.
 *
 *   memory   head = address (48 bits) | op << 48       low = size (0xffffffff: see PT_OP_SIZE64), high = stack
 *            A FREE has no size; that of layer object has the type of what lay in the block there, 0: not known
 *   PAIR     head = a       (48 bits) | op << 48       low | high << 32 = b
 *   WORDS    head = id      (48 bits) | op << 48       b = 16; one more slot holds the four words
 *   BYTES    head = id      (48 bits) | op << 48       b = length; ceil(length / 16) more slots hold the bytes
 *
 * Bits 56 to 63 of head are 0 in this version.
 */
struct pt_slot {
	uint64_t head;
	uint32_t low, high;
};
_Static_assert(sizeof(struct pt_slot) == 16, "rings are made of 16-byte slots");

#define PT_ADDRESS_MASK UINT64_C(0x0000ffffffffffff)
#define PT_SIZE_BIG     UINT32_C(0xffffffff)

static inline uint8_t pt_slot_op(const struct pt_slot *s) { return (uint8_t)(s->head >> 48); }
static inline uint64_t pt_slot_a(const struct pt_slot *s) { return s->head & PT_ADDRESS_MASK; }
static inline uint64_t pt_slot_b(const struct pt_slot *s) { return (uint64_t)s->high << 32 | s->low; }

/* An event as a decoder hands it out. For PAIR events addr is a and size is b. */
struct pt_event {
	uint64_t addr;
	uint64_t size; /* of a FREE of layer object: the type; of other events of shape FREE: 0 */
	uint32_t stack;
	uint8_t op;
	uint8_t unused[3];
};
_Static_assert(sizeof(struct pt_event) == 24, "arrays of events are read by the million");

/* A definition as a decoder hands it out: WORDS events have data pointing to 16 bytes, little-endian. */
struct pt_def {
	uint64_t id;
	const uint8_t *data; /* borrowed from the decoder's buffer */
	uint32_t len;
	uint8_t op;
};

/* How a line table is coded; see FORMAT.md, "Code objects". */
enum pt_linetable { PT_LINETABLE_NONE = 0, PT_LINETABLE_LNOTAB = 1, PT_LINETABLE_310 = 2, PT_LINETABLE_311 = 3 };

/* The fixed head of a CODE definition, little-endian, followed by the file name, the qualified name (both UTF-8) and
 * the first part of the line table; CODE_TAIL definitions of the same id bring the rest. */
struct pt_code {
	uint32_t first_line;
	uint32_t table_bytes; /* of the whole line table */
	uint16_t file_bytes;
	uint16_t name_bytes;
	uint8_t linetable; /* enum pt_linetable */
	uint8_t unused[3];
};
_Static_assert(sizeof(struct pt_code) == 16, "CODE definitions start with 16 bytes");

/* The words of a FRAME definition. Stack 0 is the empty stack. Code 0 (PT_CODE_ENTRY) is no frame of the program: C
 * code called the interpreter there, and the frames above it, up to the next such one, belong to that call. */
enum { PT_FRAME_PARENT, PT_FRAME_CODE, PT_FRAME_OFFSET, PT_FRAME_FLAGS };
#define PT_CODE_ENTRY  0
#define PT_OFFSET_NONE UINT32_C(0xffffffff) /* the frame had not started: its line is the code's first line */

/* The words of a NATIVE definition: a frame of machine code on top of `parent`, another NATIVE or 0. The offset is
 * counted from the module's load bias, so it is an address of the ELF file; its bits 32 to 47 are the upper half of
 * flags. Module 0 is code that belongs to no file: then the offset is the address. It is the address of return, which
 * lies behind the call, unless PT_NATIVE_EXACT. */
enum { PT_NATIVE_PARENT, PT_NATIVE_MODULE, PT_NATIVE_OFFSET, PT_NATIVE_FLAGS };
enum {
	PT_NATIVE_EXACT = 1, /* the instruction itself: what a signal interrupted */
	PT_NATIVE_EVAL = 2,  /* the interpreter's evaluation loop: Python frames run in it, one PT_CODE_ENTRY's */
	PT_NATIVE_CUT = 4,   /* with module and offset 0, at the outer end: the walk could not go on */
};

/* The words of a JOIN definition: one stack made of Python frames and of native ones. How they lie in each other:
 * FORMAT.md, "JOIN". */
enum { PT_JOIN_PYTHON, PT_JOIN_NATIVE };

/* The fixed head of a MODULE definition, little-endian, followed by the build id and the path. */
struct pt_module {
	uint64_t bias;       /* address in memory less address in the file */
	uint64_t start, end; /* of its mappings */
	uint16_t path_bytes;
	uint8_t build_id_bytes; /* 0: it has none */
	uint8_t flags;          /* PT_MODULE_ */
	uint32_t unused;
};
_Static_assert(sizeof(struct pt_module) == 32, "MODULE definitions start with 32 bytes");
enum { PT_MODULE_MAIN = 1, PT_MODULE_VDSO = 2, PT_MODULE_PYTHON = 4 /* holds the interpreter */ };

/* The first byte of a TASK definition: what kind of thing runs. Its name follows, a zero, and its function's name. */
enum pt_task { PT_TASK_ASYNCIO = 1, PT_TASK_GREENLET = 2 };

/* The fixed head of a TYPE definition, little-endian, followed by its name, UTF-8: module and qualified name with a dot
 * between, as in a traceback: "collections.OrderedDict"; of builtins the bare name. Type 0 is "unknown", never defined.
 */
struct pt_type {
	uint32_t flags; /* PT_TYPE_ */
	uint32_t basic_bytes, item_bytes;
	uint32_t before_bytes; /* between the start of the block and the object */
};
_Static_assert(sizeof(struct pt_type) == 16, "TYPE definitions start with 16 bytes");
enum {
	PT_TYPE_GC = 1,         /* its objects can be tracked by the collector */
	PT_TYPE_TRAVERSE = 2,   /* has tp_traverse */
	PT_TYPE_CLEAR = 4,      /* has tp_clear */
	PT_TYPE_HEAP = 8,       /* made at run time: a class, or a C type made from a spec */
	PT_TYPE_FINALIZER = 16, /* tp_finalize: __del__ */
	PT_TYPE_LEGACY = 32,    /* tp_del: its cycles are never collected */
	PT_TYPE_FREE_LIST = 64, /* this version keeps dead objects of exactly this type for reuse */
	PT_TYPE_PYTHON = 128,   /* defined by a class statement, not in C */
};

/*
 * Reference counts, change by change. Watches are numbered from 1 in their order. WATCH: a is the object's address, b
 * the watch's number and the object's type << 32 (0: not known yet). COUNT and UNWATCH: a is the watch's number and
 * flags (or why) << 32, b the count after the change, as 32 bits with a sign, and the stack << 32. Free-threaded: the
 * count is the sum of both parts.
 */
enum pt_count_flags {
	PT_COUNT_BIRTH = 1,  /* the object was made: the first count it has */
	PT_COUNT_UNSEEN = 2, /* changes before this one were not seen one by one: its delta is their sum */
	PT_COUNT_LATE = 4,   /* told after the thread had gone on: the stack may be of a later moment */
	PT_COUNT_START = 8,  /* no change: what the count was when the watch began, of an object older than its watch */
	PT_COUNT_MERGED = 16, /* free-threaded: the owner's part was added to the shared one; no reference was taken */
	PT_COUNT_LEAVES = 32, /* the call of the innermost Python frame is over: its frame gives back what it held */
};
enum pt_unwatch {
	PT_UNWATCH_DIED = 1, /* its block is about to be given back, or kept for another object */
	PT_UNWATCH_ROTATED,  /* its place was needed for another one; it lives on */
	PT_UNWATCH_IMMORTAL, /* its count means nothing */
	PT_UNWATCH_LOST,     /* the kernel took the means away: a closed descriptor, another debugger */
	PT_UNWATCH_OTHER,    /* what was made there is not of a type that is watched */
	PT_UNWATCH_END,      /* the trace, the interpreter or (PAUSE) recording ends; it lives on */
};
static inline uint32_t pt_watch_number(uint64_t a) { return (uint32_t)a; }
static inline uint32_t pt_watch_detail(uint64_t a) { return (uint32_t)(a >> 32) & 0xffff; }
static inline uint64_t pt_watch_a(uint32_t number, uint32_t detail) { return number | (uint64_t)detail << 32; }

/* Who stopped and started recording (PAUSE and RESUME): PYTRACE_START, the program, its signal, the process that forked
 * this one while it was stopped. */
enum pt_pause { PT_PAUSE_OPTION = 1, PT_PAUSE_CALL, PT_PAUSE_SIGNAL, PT_PAUSE_FORK };
/* The stack of a MOVE_END or of what is mapped in layer moved, when it was made while nothing new was recorded: that of
 * the block which moved; and a block that was not known stays unknown. No stack has this id. */
#define PT_STACK_KEPT UINT32_C(0x7fffffff)

/* The number `a` of GC_BEGIN: generation (4 bits), trigger (4 bits), candidates (40 bits; all ones: not counted). */
enum pt_gc_trigger { PT_GC_THRESHOLD, PT_GC_EXPLICIT, PT_GC_SHUTDOWN };
#define PT_GC_NOT_COUNTED ((UINT64_C(1) << 40) - 1)
static inline uint64_t pt_gc_how(unsigned generation, enum pt_gc_trigger trigger, uint64_t candidates)
{
	return generation | (uint64_t)trigger << 4 | candidates << 8;
}
/* What a GC_SET event changes. ENABLED: 0 or 1. THRESHOLD: of generation `what - PT_GC_SET_THRESHOLD_0`. FROZEN:
 * objects in the permanent generation after gc.freeze or gc.unfreeze. DEBUG: the flags of gc.set_debug. The first ones
 * of a trace say what was in force when the interpreter had started; their stack is 0. */
enum pt_gc_set {
	PT_GC_SET_ENABLED,
	PT_GC_SET_THRESHOLD_0,
	PT_GC_SET_THRESHOLD_1,
	PT_GC_SET_THRESHOLD_2,
	PT_GC_SET_FROZEN,
	PT_GC_SET_DEBUG
};
