/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_frames: code objects, frames, generators, and the stacks of threads
 *
 * What a frame refers to lies in a frame object of the heap up to 3.10, since then in a struct of the interpreter's: on
 * the thread's data stack, in a generator, or in a frame object that outlived its call. Its variables are named by its
 * code object. What lies on its stack of values is known where the frame is suspended; of one that runs, the
 * interpreter has the depth in a register (up to 3.13), so all its room is looked through, and what is there counts
 * only when it is an object that was met elsewhere: it may be left over.
 */
#include "preload/py/heap/heap_parts.h"
#include "preload/py/peek.h"

enum {
	OWNER_THREAD = 0,
	OWNER_GENERATOR = 1,
	OWNER_OBJECT = 2,
	OWNER_CSTACK = 3,
	STATE_CLEARED = 4, /* of a generator's frame, 3.11 on */
	LOCALS_MAX = 1 << 16,
	FRAMES_MAX = 1 << 20,
	CODE_SUSPENDS = 0x20 | 0x80 | 0x100 | 0x200, /* its frame belongs to a generator or the like */
	TAG_BITS = 3,                                /* 3.14 on: 1 not counted, or immortal; 3 an int */
	TAG_INT = 3,
};

/* ---- code ---- */

void heap_frames_code(const char *code)
{
	const struct {
		const char *name;
		uint16_t field;
	} parts[] = {
		{ "co_consts", py_layout.code_consts },
		{ "co_names", py_layout.code_names },
		{ py_layout.minor >= 11 ? "co_localsplusnames" : "co_varnames", py_layout.code_locals },
		{ "co_localspluskinds", py_layout.code_kinds },
		{ "co_freevars", py_layout.code_free },
		{ "co_cellvars", py_layout.code_cells },
		{ "co_filename", py_layout.code_file },
		{ "co_name", py_layout.minor >= 11 ? py_layout.code_short_name : py_layout.code_name },
		{ "co_qualname", py_layout.minor >= 11 ? py_layout.code_name : 0 },
		{ "co_linetable", py_layout.code_table },
		{ "co_exceptiontable", py_layout.code_exceptions },
		{ "co_code", py_layout.minor <= 10 ? py_layout.code_bytes : 0 },
	};
	static const char *const cached[] = { "co_code", "co_varnames", "co_cellvars", "co_freevars" };
	const char *kept = py_layout.code_cached ? heap_word(code, py_layout.code_cached) : NULL;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].field)
			heap_named_put(heap_word(code, parts[i].field), heap_text_string(parts[i].name), 0, NULL);
	if (py_layout.minor == 11)
		heap_named_put(kept, heap_text_string("co_code"), 0, NULL);
	for (unsigned i = 0; kept && py_layout.minor >= 12 && i < sizeof cached / sizeof *cached; i++)
		heap_named_put(heap_word(kept, 8 * i), heap_text_string(cached[i]), 0, NULL);
}

static const char *item_of(const char *tuple, uint64_t i)
{
	return tuple && i < PY_AT(uint64_t, tuple, py_layout.var_size)
		       ? heap_word(tuple, py_layout.tuple_items + 8 * (unsigned)i)
		       : NULL;
}

/* The name of local `i`: variables, cells and free variables are apart up to 3.10. */
static uint32_t name_of_local(const char *code, uint64_t i)
{
	static const uint16_t *const apart[] = { &py_layout.code_locals, &py_layout.code_cells, &py_layout.code_free };
	const char *name = NULL;

	if (py_layout.minor >= 11)
		return heap_text_of_str(item_of(heap_word(code, py_layout.code_locals), i));
	for (unsigned k = 0; k < 3 && !name; k++) {
		const char *names = heap_word(code, *apart[k]);
		uint64_t n = PY_AT(uint64_t, names, py_layout.var_size);

		name = item_of(names, i);
		i -= name ? 0 : n;
	}
	return heap_text_of_str(name);
}

static uint64_t n_locals(const char *code)
{
	uint64_t n = PY_AT(uint32_t, code, py_layout.code_n_locals);

	if (py_layout.minor <= 10)
		n += PY_AT(uint64_t, heap_word(code, py_layout.code_cells), py_layout.var_size) +
		     PY_AT(uint64_t, heap_word(code, py_layout.code_free), py_layout.var_size);
	return n < LOCALS_MAX ? n : LOCALS_MAX;
}

/* ---- words of a frame ---- */

/* A word that holds a reference, without its tag; NULL: none. *flags: whether it is counted. */
static const char *reference(const char *word, uint32_t *flags)
{
	uintptr_t bits = (uintptr_t)word;

	*flags = 0;
	if (py_layout.minor < 14)
		return word;
	if ((bits & TAG_BITS) == TAG_INT || bits <= TAG_BITS)
		return NULL;
	*flags = bits & 1 ? PT_EDGE_UNCOUNTED : 0;
	return (const char *)(bits & ~(uintptr_t)TAG_BITS);
}

static void put(const char *word, uint32_t name, uint32_t more)
{
	uint32_t flags;
	const char *target = reference(word, &flags);

	heap_named_put(target, name, flags | more, NULL);
}

/* A value that may be left over. */
static void put_doubtful(const char *word, uint32_t name)
{
	uint32_t flags;
	const char *target = reference(word, &flags);

	if (target && !((uintptr_t)target & 15) && heap_is_marked(target, HEAP_SEEN))
		heap_named_put(target, name, PT_EDGE_UNCOUNTED, NULL);
}

struct words {
	const char *locals; /* the first word: locals, then values */
	const char *code;
	uint64_t n_locals, n_values; /* values of which it is known that they are there */
	bool runs;                   /* and how many there are is not known */
};

static void put_locals(const struct words *w, uint32_t more)
{
	for (uint64_t i = 0; i < w->n_locals; i++)
		put(heap_word(w->locals, 8 * (unsigned)i), name_of_local(w->code, i), more);
}

static void put_values(const struct words *w, uint32_t more)
{
	uint32_t name = heap_text_string("(stack)");
	uint64_t room = PY_AT(uint32_t, w->code, py_layout.code_stack_size);

	for (uint64_t i = 0; i < w->n_values; i++)
		put(heap_word(w->locals, 8 * (unsigned)(w->n_locals + i)), name, more);
	for (uint64_t i = 0; w->runs && i < room && i < LOCALS_MAX; i++)
		put_doubtful(heap_word(w->locals, 8 * (unsigned)(w->n_locals + i)), name);
}

/* ---- frames of the interpreter, 3.11 on ---- */

static uint8_t owner_of(const char *frame) { return PY_AT(uint8_t, frame, py_layout.frame_owner); }

static bool is_code(const char *p)
{
	return p && !((uintptr_t)p & 7) && heap_word(p, py_layout.object_type) == py_symbols.code_type;
}

/* Where values end: -1, or a mark of the tracer's, while the frame runs (up to 3.13), so that no depth is known. */
static struct words words_of_inner(const char *frame, const char *code)
{
	struct words w = { .locals = frame + py_layout.frame_locals, .code = code, .n_locals = n_locals(code) };
	int64_t top;

	if (py_layout.minor >= 14)
		top = (PY_AT(int64_t, frame, py_layout.frame_stack_top) - (int64_t)(uintptr_t)w.locals) / 8;
	else
		top = PY_AT(int32_t, frame, py_layout.frame_stack_top);
	w.runs = top < 0;
	if (top > (int64_t)w.n_locals &&
	    top <= (int64_t)(w.n_locals + PY_AT(uint32_t, code, py_layout.code_stack_size)))
		w.n_values = (uint64_t)top - w.n_locals;
	return w;
}

static void name_inner(const char *frame, const char *code, bool locals, uint32_t more)
{
	struct words w = words_of_inner(frame, code);

	heap_named_put(heap_word(frame, py_layout.frame_object), heap_text_string("frame"), more, NULL);
	heap_named_put(heap_word(frame, py_layout.frame_dict), heap_text_string("f_locals"), more, NULL);
	put(heap_word(frame, py_layout.frame_func), heap_text_string("function"), more);
	put(heap_word(frame, py_layout.frame_code), heap_text_string("code"), more);
	if (!locals)
		return;
	put_locals(&w, w.runs ? 0 : more);
	put_values(&w, more);
}

void heap_frames_generator(const char *generator)
{
	const char *frame = generator + py_layout.gen_frame, *code;

	heap_named_put(heap_word(generator, py_layout.gen_name), heap_text_string("__name__"), 0, NULL);
	heap_named_put(heap_word(generator, py_layout.gen_qualname), heap_text_string("__qualname__"), 0, NULL);
	if (py_layout.minor <= 10)
		return; /* gi_frame is a member */
	code = py_frame_target(frame, &py_layout);
	if (PY_AT(int8_t, generator, py_layout.gen_state) < STATE_CLEARED && is_code(code))
		name_inner(frame, code, !words_of_inner(frame, code).runs, 0);
}

/* ---- frame objects ---- */

/* Up to 3.10. Where values end: NULL, or -1, while the frame runs. */
static struct words words_of_object(const char *frame)
{
	const char *code = heap_word(frame, py_layout.frame_code);
	const char *values = heap_word(frame, py_layout.frame_stack);
	struct words w = { .locals = frame + py_layout.frame_locals, .code = code, .n_locals = n_locals(code) };
	int64_t top;

	if (py_layout.minor == 10)
		top = PY_AT(int32_t, frame, py_layout.frame_stack_top);
	else if (heap_word(frame, py_layout.frame_stack_top))
		top = (PY_AT(int64_t, frame, py_layout.frame_stack_top) - (int64_t)(uintptr_t)values) / 8;
	else
		top = -1;
	w.runs = top < 0;
	if (top > 0 && top <= (int64_t)PY_AT(uint32_t, code, py_layout.code_stack_size))
		w.n_values = (uint64_t)top;
	return w;
}

static void name_object_parts(const char *frame)
{
	const struct {
		const char *name;
		uint16_t field;
	} parts[] = {
		{ "f_back", py_layout.frame_previous },     { "f_code", py_layout.frame_code },
		{ "f_builtins", py_layout.frame_builtins }, { "f_globals", py_layout.frame_globals },
		{ "f_locals", py_layout.frame_dict },       { "f_trace", py_layout.frame_trace },
	};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		heap_named_put(heap_word(frame, parts[i].field), heap_text_string(parts[i].name), 0, NULL);
}

/* The values of a frame that runs are the thread's root's: they may be left over. */
void heap_frames_object(const char *frame)
{
	const char *inner;

	if (py_layout.minor <= 10) {
		struct words w = words_of_object(frame);

		name_object_parts(frame);
		put_locals(&w, 0);
		w.runs = false;
		put_values(&w, 0);
		return;
	}
	heap_named_put(heap_word(frame, py_layout.frame_back), heap_text_string("f_back"), 0, NULL);
	heap_named_put(heap_word(frame, py_layout.frame_trace), heap_text_string("f_trace"), 0, NULL);
	inner = heap_word(frame, py_layout.frame_inner);
	if (inner && owner_of(inner) == OWNER_OBJECT && is_code(py_frame_target(inner, &py_layout)))
		name_inner(inner, py_frame_target(inner, &py_layout), true, 0);
}

/* ---- threads ---- */

/* One root: its edges are those that no object has. A generator's frame belongs to the generator, all but the variables
 * while it runs (up to 3.13); a frame object to itself. */
static void name_root(const char *frame, const char *code)
{
	struct words w;

	heap.named.n = 0;
	if (py_layout.minor <= 10) {
		heap_named_put(frame, heap_text_string("frame"),
			       PY_AT(uint32_t, code, py_layout.code_flags) & CODE_SUSPENDS ? PT_EDGE_UNCOUNTED : 0,
			       NULL);
		w = words_of_object(frame);
		put_locals(&w, PT_EDGE_UNCOUNTED);
		put_values(&w, PT_EDGE_UNCOUNTED);
		return;
	}
	name_inner(frame, code, true, owner_of(frame) == OWNER_THREAD ? 0 : PT_EDGE_UNCOUNTED);
}

static void write_frame(const char *frame, const char *code)
{
	uint32_t label = heap_text_of_str(heap_word(code, py_layout.code_name)),
		 file = heap_text_of_str(heap_word(code, py_layout.code_file)), offset;
	unsigned line = PY_AT(uint32_t, code, py_layout.code_first_line);

	if (py_frame_code(frame, &offset) == code && offset != PT_OFFSET_NONE)
		line = heap_line_of(code, offset);
	name_root(frame, code);
	heap_roots_put(PT_ROOT_FRAME, label, file, line);
}

void heap_frames_borrowed(const char *tstate)
{
	const char *ref = py_layout.ts_c_refs ? heap_word(tstate, py_layout.ts_c_refs) : NULL;

	for (int i = 0; ref && i < FRAMES_MAX; i++, ref = heap_word(ref, 8))
		put(heap_word(ref, 0), heap_text_string("(C)"), 0);
}

void heap_frames_of_thread(const char *tstate)
{
	const char *frame = py_top_frame(tstate), *code;

	for (int i = 0; frame && i < FRAMES_MAX; i++, frame = heap_word(frame, py_layout.frame_previous)) {
		if (py_layout.minor >= 11 && owner_of(frame) >= OWNER_CSTACK)
			continue;
		code = py_frame_target(frame, &py_layout);
		if (is_code(code))
			write_frame(frame, code);
	}
}
