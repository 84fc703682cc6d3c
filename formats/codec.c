/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec: slots to columns and back
 *
 * Theory. An allocation-bound program repeats itself: the same few lines allocate the same sizes, the allocator hands
 * out the block that was freed last, temporaries die a fixed number of allocations after their birth. So writer and
 * reader both run one small model over the events, and the file holds what the model did not foresee:
 *
 *   stack, size,  from a table of contexts. A context is the previous memory event (its stack, op and size class);
 *   distance,     it remembers which stack came next, and with what size, distance or type. One look-up an event.
 *   type
 *   address       of an allocation: the block freed last in its size class (a small LIFO), or the one after the last
 *                 of that class (a fresh pool), or where the realloc under way began.
 *   block freed   not by address but by number: which allocation of this payload it was, counted from now (distance)
 *                 or from the last one freed (containers die in order). Older blocks are named by address.
 *
 * One byte an event says how each field was found (enum how_*), and the misses go to columns of varints. zstd then
 * finds the loops. Payloads stand alone: the model starts empty in each.
 *
 * Only the writer must find the number of an address: a direct-mapped table, a collision costs a few bytes. The reader
 * needs just the addresses of the last WINDOW allocations by number.
 */
#include "formats/codec.h"
#include "formats/bytes.h"

enum {
	CONTEXTS = 1024,
	WINDOW = 65536, /* how many allocations back a free can name its block by number */
	SEEN = 8192,    /* writer: address to number */
	CLASSES = 160,  /* size classes: 80 for the object allocator, 80 for malloc */
	LIFO = 8,
};

/* How the fields of a memory event are found: bits of the HOW column. */
enum {
	HOW_STACK = 3,
	STACK_SAME = 0,
	STACK_CONTEXT = 1,
	STACK_GIVEN = 2,
	HOW_SIZE_GIVEN = 4,
	HOW_ADDRESS = 3 << 3,
	ADDRESS_FREED = 0 << 3,
	ADDRESS_FRESH = 1 << 3,
	ADDRESS_GIVEN = 2 << 3,
	ADDRESS_MOVED = 3 << 3,
	BLOCK_CONTEXT = 0 << 3,
	BLOCK_NUMBER = 1 << 3,
	BLOCK_GIVEN = ADDRESS_GIVEN,
	BLOCK_NEXT = 3 << 3,
	HOW_TYPE_GIVEN = 1 << 5, /* of a FREE of layer object */
};

enum { COL_OP, COL_HOW, COL_STACK, COL_SIZE, COL_NUMBER, COL_ADDRESS, COL_PAIR, COL_TYPE, COLUMNS };
enum { COLUMNS_MIN = COL_TYPE }; /* traces of before types were recorded have no more */
/* The most bytes that one event takes in each column. */
static const uint8_t column_bound[COLUMNS] = { 1, 1, 5, 10, 5, 10, 20, 5 };
enum { EVENT_BOUND = 57, PAYLOAD_HEAD = 4 + 4 * COLUMNS };

struct context {
	uint32_t next_stack, distance;
	uint64_t size;
	uint32_t type; /* that the last block freed here had held */
	uint32_t unused;
};

struct size_class {
	uint64_t last; /* address handed out last */
	uint32_t n;    /* blocks freed in all; the last LIFO of them are in freed[] */
	uint32_t unused;
	uint64_t freed[LIFO];
};

struct pt_codec {
	uint32_t stack;       /* of the last memory event */
	uint32_t given_stack; /* the last one written down */
	uint32_t context;     /* index of the context in force */
	uint32_t n_allocs;    /* allocations so far: the next one's number */
	uint32_t freed;       /* number of the block freed last */
	uint64_t given_addr;
	uint64_t moved; /* where the last MOVE_BEGIN was */
	uint64_t pair_a[128], pair_b[128];
	struct context contexts[CONTEXTS];
	struct size_class classes[CLASSES];
	union {
		struct {
			uint64_t seen[SEEN]; /* address | number << 48 */
			uint8_t seen_class[SEEN];
		}; /* writer */
		struct {
			uint64_t addr[WINDOW];
			uint8_t class[WINDOW];
		} made; /* reader */
	};
};

size_t pt_codec_bytes(void) { return sizeof(struct pt_codec); }
size_t pt_encoder_bytes(void) { return offsetof(struct pt_codec, seen_class) + SEEN; }
size_t pt_encode_bound(size_t n_slots) { return PAYLOAD_HEAD + n_slots * EVENT_BOUND; }

/* ---- the model, run by both sides ---- */

/* The window needs no clearing: a number is only believed below n_allocs. */
static void model_start(struct pt_codec *c) { memset(c, 0, offsetof(struct pt_codec, seen)); }

static inline unsigned log2_floor(uint64_t v) { return 63 - (unsigned)__builtin_clzll(v | 1); }

static inline unsigned size_group(uint64_t size)
{
	if (size <= 1024)
		return (unsigned)((size + 15) >> 4);                 /* 0 to 64 */
	return 55 + (log2_floor(size) > 24 ? 24 : log2_floor(size)); /* 65 to 79 */
}

static inline bool op_is_pymalloc(uint8_t op)
{
	return pt_op_layer(op) == PT_LAYER_OBJECT || pt_op_layer(op) == PT_LAYER_MEM;
}

static inline unsigned size_class(uint8_t op, uint64_t size)
{
	return size_group(size) + (op_is_pymalloc(op) ? 80 : 0);
}

/* How far the next block of a fresh run lies: pymalloc packs by 16, malloc puts 8 bytes before each block. */
static inline uint64_t class_stride(uint8_t op, uint64_t size)
{
	return op_is_pymalloc(op) ? (size + 15) & ~UINT64_C(15) : (size + 23) & ~UINT64_C(15);
}

static inline void context_enter(struct pt_codec *c, uint8_t op, uint32_t detail)
{
	uint32_t key = c->stack * UINT32_C(0x9e3779b1) ^ (op + detail * 131u) * UINT32_C(0x85ebca6b);

	c->context = (key ^ key >> 15) >> 4 & (CONTEXTS - 1);
}

static inline void class_push(struct size_class *k, uint64_t addr) { k->freed[k->n++ % LIFO] = addr; }
static inline uint64_t class_top(const struct size_class *k) { return k->n ? k->freed[(k->n - 1) % LIFO] : 0; }

/* What an allocation leaves behind in the model, but for its entry in `seen` or `made`. */
static inline void learn_alloc(struct pt_codec *c, struct context *x, struct size_class *k, unsigned how, uint8_t op,
			       uint64_t addr, uint64_t size)
{
	if ((how & HOW_ADDRESS) == ADDRESS_FREED)
		k->n--;
	k->last = addr;
	x->size = size;
	context_enter(c, op, size_group(size));
	c->n_allocs++;
}

static inline void learn_free(struct pt_codec *c, struct context *x, uint8_t op, bool numbered, uint32_t number,
			      unsigned class, uint64_t addr)
{
	uint32_t distance = 0;

	if (pt_op_kind(op) == PT_MOVE_BEGIN)
		c->moved = addr;
	if (numbered) {
		distance = c->n_allocs - 1 - number;
		x->distance = distance;
		c->freed = number;
		if (pt_op_kind(op) == PT_FREE)
			class_push(&c->classes[class], addr);
	}
	context_enter(c, op, distance < 16 ? distance : 16);
}

/* ---- writer ---- */

struct columns {
	uint8_t *at[COLUMNS];
};

/* Addresses are mostly multiples of 8: bit 0 says so and saves three bits. */
static inline uint8_t *put_address(uint8_t *p, uint64_t addr, uint64_t last)
{
	int64_t d = (int64_t)(addr - last);

	return d & 7 ? pt_put_varint(p, pt_zigzag(d) << 1 | 1) : pt_put_varint(p, pt_zigzag(d / 8) << 1);
}

static inline unsigned encode_stack(struct pt_codec *c, struct columns *out, struct context *x, uint32_t stack)
{
	unsigned how;

	if (stack == c->stack) {
		how = STACK_SAME;
	} else if (stack == x->next_stack) {
		how = STACK_CONTEXT;
	} else {
		how = STACK_GIVEN;
		out->at[COL_STACK] = pt_put_delta(out->at[COL_STACK], (uint64_t)stack, c->given_stack);
		c->given_stack = stack;
	}
	x->next_stack = stack;
	c->stack = stack;
	return how;
}

static inline void encode_given_address(struct pt_codec *c, struct columns *out, uint64_t addr)
{
	out->at[COL_ADDRESS] = put_address(out->at[COL_ADDRESS], addr, c->given_addr);
	c->given_addr = addr;
}

static inline unsigned seen_slot(uint64_t addr) { return (unsigned)((addr >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 51); }
_Static_assert(SEEN == 1 << (64 - 51), "seen_slot takes the top bits");

static inline void encode_alloc(struct pt_codec *c, struct columns *out, uint8_t op, uint64_t addr, uint64_t size,
				uint32_t stack)
{
	struct context *x = &c->contexts[c->context];
	unsigned class = size_class(op, size);
	struct size_class *k = &c->classes[class];
	unsigned how = encode_stack(c, out, x, stack);
	unsigned seen = seen_slot(addr);

	if (size != x->size) {
		how |= HOW_SIZE_GIVEN;
		out->at[COL_SIZE] = pt_put_varint(out->at[COL_SIZE], size);
	}
	if (k->n && addr == class_top(k)) {
		how |= ADDRESS_FREED;
	} else if (addr == k->last + class_stride(op, size)) {
		how |= ADDRESS_FRESH;
	} else if (addr == c->moved) {
		how |= ADDRESS_MOVED;
	} else {
		how |= ADDRESS_GIVEN;
		encode_given_address(c, out, addr);
	}
	*out->at[COL_HOW]++ = (uint8_t)how;
	c->seen[seen] = c->n_allocs <= UINT16_MAX ? addr | (uint64_t)c->n_allocs << 48 : 0;
	c->seen_class[seen] = (uint8_t) class;
	learn_alloc(c, x, k, how, op, addr, size);
}

static inline unsigned encode_type(struct columns *out, struct context *x, uint32_t type)
{
	if (type == x->type)
		return 0;
	x->type = type;
	out->at[COL_TYPE] = pt_put_varint(out->at[COL_TYPE], type);
	return HOW_TYPE_GIVEN;
}

static inline void encode_free(struct pt_codec *c, struct columns *out, uint8_t op, uint64_t addr, uint32_t type,
			       uint32_t stack)
{
	struct context *x = &c->contexts[c->context];
	unsigned how = encode_stack(c, out, x, stack);
	unsigned seen = seen_slot(addr);
	uint32_t number = (uint32_t)(c->seen[seen] >> 48);
	bool numbered = addr && (c->seen[seen] & PT_ADDRESS_MASK) == addr;

	if (!numbered) {
		how |= BLOCK_GIVEN;
		encode_given_address(c, out, addr);
	} else if (number == c->n_allocs - 1 - x->distance) {
		how |= BLOCK_CONTEXT;
	} else if (number == c->freed + 1) {
		how |= BLOCK_NEXT;
	} else {
		how |= BLOCK_NUMBER;
		out->at[COL_NUMBER] = pt_put_varint(out->at[COL_NUMBER], pt_zigzag((int64_t)number - c->freed));
	}
	if (pt_op_has_type(op))
		how |= encode_type(out, x, type);
	*out->at[COL_HOW]++ = (uint8_t)how;
	learn_free(c, x, op, numbered, number, c->seen_class[seen], addr);
}

static inline void encode_range(struct pt_codec *c, struct columns *out, uint8_t op, uint64_t addr, uint64_t size,
				uint32_t stack)
{
	struct context *x = &c->contexts[c->context];
	unsigned how = encode_stack(c, out, x, stack) | HOW_SIZE_GIVEN | ADDRESS_GIVEN;

	out->at[COL_SIZE] = pt_put_varint(out->at[COL_SIZE], size);
	encode_given_address(c, out, addr);
	*out->at[COL_HOW]++ = (uint8_t)how;
	context_enter(c, op, 0);
}

static void encode_pair(struct pt_codec *c, struct columns *out, uint8_t op, uint64_t a, uint64_t b)
{
	unsigned i = op & 127;

	out->at[COL_PAIR] = pt_put_delta(out->at[COL_PAIR], a, c->pair_a[i]);
	out->at[COL_PAIR] = pt_put_delta(out->at[COL_PAIR], b, c->pair_b[i]);
	c->pair_a[i] = a;
	c->pair_b[i] = b;
}

/* Definitions start at op 128 in this version, so half a table does. On the stack of the traced thread: small. */
struct def_writer {
	uint8_t *at;
	uint32_t n;
	uint64_t last_id[128];
	uint32_t last_words[16][4]; /* of WORDS definitions, ops 192 to 207 */
};

static size_t slots_of_bytes(uint64_t bytes)
{
	return (size_t)((bytes + sizeof(struct pt_slot) - 1) / sizeof(struct pt_slot));
}

static void encode_def(struct def_writer *w, enum pt_shape shape, uint8_t op, const struct pt_slot *s, uint64_t len)
{
	const uint8_t *data = (const uint8_t *)(s + 1);

	*w->at++ = op;
	w->at = pt_put_delta(w->at, pt_slot_a(s), w->last_id[op & 127]);
	w->last_id[op & 127] = pt_slot_a(s);
	w->n++;
	if (shape == PT_SHAPE_BYTES) {
		w->at = pt_put_varint(w->at, len);
		memcpy(w->at, data, len);
		w->at += len;
		return;
	}
	for (int i = 0; i < 4; i++) {
		uint32_t word, *last = &w->last_words[op & 15][i];

		memcpy(&word, data + 4 * i, sizeof word);
		w->at = pt_put_varint(w->at, pt_zigzag((int32_t)(word - *last)));
		*last = word;
	}
}

/* Lays the columns out at their bounds, and pushes them together at the end. */
static void columns_start(struct columns *out, uint8_t *start[COLUMNS], uint8_t *events, size_t n)
{
	uint8_t *p = events + PAYLOAD_HEAD;

	for (int i = 0; i < COLUMNS; i++) {
		out->at[i] = start[i] = p;
		p += n * column_bound[i];
	}
}

static size_t columns_finish(const struct columns *out, uint8_t *const start[COLUMNS], uint8_t *events)
{
	uint8_t *head = pt_put_u32(events, COLUMNS), *p = events + PAYLOAD_HEAD;

	for (int i = 0; i < COLUMNS; i++) {
		size_t len = (size_t)(out->at[i] - start[i]);

		head = pt_put_u32(head, (uint32_t)len);
		memmove(p, start[i], len);
		p += len;
	}
	return (size_t)(p - events);
}

struct pt_encoded pt_encode(struct pt_codec *c, const struct pt_slot *slots, size_t n, uint8_t *events, uint8_t *defs,
			    uint64_t *op_counts)
{
	struct columns out;
	uint8_t *start[COLUMNS];
	struct def_writer w = { .at = defs };
	uint64_t big = 0;

	model_start(c);
	memset(c->seen, 0, sizeof c->seen);
	columns_start(&out, start, events, n);
	for (size_t i = 0; i < n; i++) {
		const struct pt_slot *s = &slots[i];
		uint8_t op = pt_slot_op(s);
		enum pt_shape shape = pt_op_shape(op);
		uint64_t size = s->low != PT_SIZE_BIG || !big ? s->low : big;

		if (op == PT_OP_SIZE64) {
			big = pt_slot_b(s);
			continue;
		}
		if (shape == PT_SHAPE_WORDS || shape == PT_SHAPE_BYTES) {
			uint64_t len = pt_slot_b(s);

			if (len > (n - i - 1) * sizeof *s)
				break;
			encode_def(&w, shape, op, s, len);
			i += slots_of_bytes(len);
			if (op_counts)
				op_counts[op]++;
			continue;
		}
		*out.at[COL_OP]++ = op;
		if (op_counts)
			op_counts[op]++;
		if (shape == PT_SHAPE_ALLOC)
			encode_alloc(c, &out, op, pt_slot_a(s), size, s->high);
		else if (shape == PT_SHAPE_FREE)
			encode_free(c, &out, op, pt_slot_a(s), s->low, s->high);
		else if (shape == PT_SHAPE_RANGE)
			encode_range(c, &out, op, pt_slot_a(s), size, s->high);
		else
			encode_pair(c, &out, op, pt_slot_a(s), pt_slot_b(s));
		big = 0;
	}
	return (struct pt_encoded){
		.n_events = (uint32_t)(out.at[COL_OP] - start[COL_OP]),
		.n_defs = w.n,
		.events_bytes = columns_finish(&out, start, events),
		.defs_bytes = (size_t)(w.at - defs),
	};
}

/* ---- reader ---- */

static inline uint64_t get_address(struct pt_codec *c, struct pt_reader *r)
{
	uint64_t v = pt_get_varint(r);
	int64_t d = pt_unzigzag(v >> 1);

	if (!(v & 1))
		d = (int64_t)((uint64_t)d * 8);
	c->given_addr = (c->given_addr + (uint64_t)d) & PT_ADDRESS_MASK;
	return c->given_addr;
}

static inline uint32_t decode_stack(struct pt_codec *c, struct pt_reader *in, struct context *x, unsigned how)
{
	uint32_t stack = c->stack;

	if ((how & HOW_STACK) == STACK_CONTEXT)
		stack = x->next_stack;
	else if ((how & HOW_STACK) != STACK_SAME)
		stack = c->given_stack = (uint32_t)pt_get_delta(&in[COL_STACK], c->given_stack);
	x->next_stack = stack;
	c->stack = stack;
	return stack;
}

static inline void decode_alloc(struct pt_codec *c, struct pt_reader *in, struct pt_event *ev)
{
	struct context *x = &c->contexts[c->context];
	unsigned how = pt_get_u8(&in[COL_HOW]), class;
	struct size_class *k;

	ev->stack = decode_stack(c, in, x, how);
	ev->size = how & HOW_SIZE_GIVEN ? pt_get_varint(&in[COL_SIZE]) : x->size;
	class = size_class(ev->op, ev->size);
	k = &c->classes[class];
	switch (how & HOW_ADDRESS) {
	case ADDRESS_FREED: ev->addr = class_top(k); break;
	case ADDRESS_FRESH: ev->addr = (k->last + class_stride(ev->op, ev->size)) & PT_ADDRESS_MASK; break;
	case ADDRESS_MOVED: ev->addr = c->moved; break;
	default: ev->addr = get_address(c, &in[COL_ADDRESS]);
	}
	c->made.addr[c->n_allocs % WINDOW] = ev->addr;
	c->made.class[c->n_allocs % WINDOW] = (uint8_t) class;
	learn_alloc(c, x, k, how, ev->op, ev->addr, ev->size);
}

static inline void decode_free(struct pt_codec *c, struct pt_reader *in, struct pt_event *ev)
{
	struct context *x = &c->contexts[c->context];
	unsigned how = pt_get_u8(&in[COL_HOW]);
	bool numbered = (how & HOW_ADDRESS) != BLOCK_GIVEN;
	uint32_t number = 0;

	ev->stack = decode_stack(c, in, x, how);
	if (pt_op_has_type(ev->op) && how & HOW_TYPE_GIVEN)
		x->type = (uint32_t)pt_get_varint(&in[COL_TYPE]);
	ev->size = pt_op_has_type(ev->op) ? x->type : 0;
	switch (how & HOW_ADDRESS) {
	case BLOCK_CONTEXT: number = c->n_allocs - 1 - x->distance; break;
	case BLOCK_NEXT: number = c->freed + 1; break;
	case BLOCK_NUMBER: number = (uint32_t)(c->freed + (uint64_t)pt_unzigzag(pt_get_varint(&in[COL_NUMBER]))); break;
	default: ev->addr = get_address(c, &in[COL_ADDRESS]);
	}
	if (numbered) {
		if (number >= c->n_allocs || c->n_allocs - number > WINDOW)
			in[COL_NUMBER].bad = true;
		ev->addr = c->made.addr[number % WINDOW];
	}
	learn_free(c, x, ev->op, numbered, number, c->made.class[number % WINDOW] % CLASSES, ev->addr);
}

static inline void decode_range(struct pt_codec *c, struct pt_reader *in, struct pt_event *ev)
{
	struct context *x = &c->contexts[c->context];

	ev->stack = decode_stack(c, in, x, pt_get_u8(&in[COL_HOW]));
	ev->size = pt_get_varint(&in[COL_SIZE]);
	ev->addr = get_address(c, &in[COL_ADDRESS]);
	context_enter(c, ev->op, 0);
}

static inline void decode_pair(struct pt_codec *c, struct pt_reader *in, struct pt_event *ev)
{
	unsigned i = ev->op & 127;

	ev->addr = c->pair_a[i] = pt_get_delta(&in[COL_PAIR], c->pair_a[i]);
	ev->size = c->pair_b[i] = pt_get_delta(&in[COL_PAIR], c->pair_b[i]);
	ev->stack = 0;
}

/* Splits a payload into its columns; columns that this version does not know are passed over. */
static bool columns_open(struct pt_reader in[COLUMNS], const uint8_t *payload, size_t len, size_t n)
{
	struct pt_reader head = { payload, payload + len, false };
	uint32_t n_columns = pt_get_u32(&head);
	uint64_t at;

	if (head.bad || n_columns < COLUMNS_MIN || n_columns > 256)
		return false;
	in[COL_TYPE] = (struct pt_reader){ payload, payload, false };
	at = 4 + 4 * (uint64_t)n_columns;
	for (uint32_t i = 0; i < n_columns; i++) {
		uint32_t bytes = pt_get_u32(&head);

		if (head.bad || at + bytes > len)
			return false;
		if (i < COLUMNS)
			in[i] = (struct pt_reader){ payload + at, payload + at + bytes, false };
		at += bytes;
	}
	return (size_t)(in[COL_OP].end - in[COL_OP].at) >= n;
}

static inline bool columns_are_bad(const struct pt_reader in[COLUMNS])
{
	return in[COL_HOW].bad | in[COL_STACK].bad | in[COL_SIZE].bad | in[COL_NUMBER].bad | in[COL_ADDRESS].bad |
	       in[COL_PAIR].bad | in[COL_TYPE].bad;
}

int pt_decode_events(struct pt_codec *c, const uint8_t *payload, size_t len, const uint8_t shapes[256],
		     struct pt_event *out, size_t n, size_t *ret_good)
{
	struct pt_reader in[COLUMNS];

	*ret_good = 0;
	if (!columns_open(in, payload, len, n))
		return PT_CODEC_BAD;
	model_start(c);
	for (size_t i = 0; i < n; i++) {
		struct pt_event *ev = &out[i];

		*ev = (struct pt_event){ .op = in[COL_OP].at[i] };
		switch (shapes[ev->op]) {
		case PT_SHAPE_ALLOC: decode_alloc(c, in, ev); break;
		case PT_SHAPE_FREE: decode_free(c, in, ev); break;
		case PT_SHAPE_RANGE: decode_range(c, in, ev); break;
		case PT_SHAPE_PAIR: decode_pair(c, in, ev); break;
		default: return PT_CODEC_BAD;
		}
		if (columns_are_bad(in))
			return PT_CODEC_BAD;
		*ret_good = i + 1;
	}
	return 0;
}

int pt_decode_def(struct pt_def_cursor *c, const uint8_t shapes[256], struct pt_def *def)
{
	struct pt_reader r = { c->at, c->end, false };
	uint8_t op;

	if (r.at >= r.end)
		return 0;
	op = pt_get_u8(&r);
	def->op = op;
	def->id = c->last_id[op] = pt_get_delta(&r, c->last_id[op]);
	if (shapes[op] == PT_SHAPE_BYTES) {
		uint64_t len = pt_get_varint(&r);

		if (r.bad || len > (uint64_t)(r.end - r.at))
			return PT_CODEC_BAD;
		def->data = r.at;
		def->len = (uint32_t)len;
		r.at += len;
	} else if (shapes[op] == PT_SHAPE_WORDS) {
		uint32_t *words = c->last_words[op];

		for (int i = 0; i < 4; i++)
			words[i] += (uint32_t)pt_unzigzag(pt_get_varint(&r));
		memcpy(c->words, words, sizeof c->words);
		def->data = c->words;
		def->len = sizeof c->words;
	} else {
		return PT_CODEC_BAD;
	}
	c->at = r.at;
	return r.bad ? PT_CODEC_BAD : 1;
}

static void event_from_slot(const struct pt_slot *s, enum pt_shape shape, uint64_t big, struct pt_event *ev)
{
	bool pair = shape == PT_SHAPE_PAIR;
	uint64_t size = shape == PT_SHAPE_FREE          ? (pt_op_has_type(pt_slot_op(s)) ? s->low : 0)
			: s->low != PT_SIZE_BIG || !big ? s->low
							: big;

	*ev = (struct pt_event){
		.addr = pt_slot_a(s),
		.size = pair ? pt_slot_b(s) : size,
		.stack = pair ? 0 : s->high,
		.op = pt_slot_op(s),
	};
}

int pt_slots_next(const struct pt_slot *slots, size_t n, size_t *at, const uint8_t shapes[256], bool *is_def,
		  struct pt_event *ev, struct pt_def *def)
{
	uint64_t big = 0;

	while (*at < n) {
		const struct pt_slot *s = &slots[*at];
		uint8_t op = pt_slot_op(s);
		uint8_t shape = shapes[op];
		uint64_t len;

		if (shape == PT_SHAPE_NONE)
			return PT_CODEC_BAD;
		if (op == PT_OP_SIZE64) {
			big = pt_slot_b(s);
			++*at;
			continue;
		}
		*is_def = shape == PT_SHAPE_WORDS || shape == PT_SHAPE_BYTES;
		if (!*is_def) {
			event_from_slot(s, shape, big, ev);
			++*at;
			return 1;
		}
		len = pt_slot_b(s);
		if (len > (n - *at - 1) * sizeof *s || (shape == PT_SHAPE_WORDS && len != sizeof *s))
			return 0;
		*def = (struct pt_def){ pt_slot_a(s), (const uint8_t *)(s + 1), (uint32_t)len, op };
		*at += 1 + slots_of_bytes(len);
		return 1;
	}
	return 0;
}
