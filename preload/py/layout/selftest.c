/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest: no offset is believed before it was seen to hold
 *
 * What:  checks, on the stack of the thread that asks, every offset that the walk uses: the thread state knows this
 *        very thread and interpreter, frames link to frames, their code objects are of the type `code`,
 *        instructions lie within the code, names are str with a zero behind their last character, tables are bytes.
 * When:  at the first events that have a Python frame, until a stack of DEEP_ENOUGH frames has passed. That is within
 *        the interpreter's own start, which runs importlib. One failure switches Python stacks off for good.
 * How:   a pointer is not followed before the kernel was asked whether it leads anywhere, so that a wrong table
 *        costs the stacks and not the program. What was seen is remembered (pages that are there, frames that were
 *        looked at), so that all of it costs some hundred system calls once in the life of a process.
 */
#include "preload/py/parts.h"

#include <pthread.h>
#include <stdatomic.h>

#include "formats/event.h"
#include "preload/base/os.h"

enum { DEEP_ENOUGH = 3, STACKS_ENOUGH = 4096, FRAMES_LOOKED_AT = 64 };
enum { OWNER_GENERATOR = 1, OWNER_CSTACK = 3, OWNER_MAX = 4 };
#define SANE_BYTES (UINT64_C(1) << 30)

enum py_trust py_trust;

static uintptr_t pages[256];

/* The kernel looks at the set before it finds that the question makes no sense. */
bool py_readable(const void *p)
{
	uintptr_t page = (uintptr_t)p >> 12, *known = &pages[page % 256];

	if ((uintptr_t)p & 7 || !page)
		return false;
	if (__atomic_load_n(known, __ATOMIC_RELAXED) == page)
		return true;
	if (os_call(SYS_rt_sigprocmask, ~0, p, NULL, 8) == -EFAULT)
		return false;
	__atomic_store_n(known, page, __ATOMIC_RELAXED);
	return true;
}

void py_readable_anew(void)
{
	for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
		__atomic_store_n(&pages[i], 0, __ATOMIC_RELAXED);
}

bool py_frame_is_sane(const char *frame)
{
	uint8_t owner;
	const char *code;

	if (!py_readable(frame) || !py_readable(frame + 72))
		return false;
	owner = PY_AT(uint8_t, frame, py_layout.frame_owner);
	if (owner >= OWNER_CSTACK)
		return owner <= OWNER_MAX;
	code = py_frame_target(frame, &py_layout);
	return py_readable(code) && py_readable(code + py_layout.code_table) &&
	       PY_AT(void *, code, py_layout.object_type) == py_symbols.code_type;
}

static bool readable_to(const void *p, size_t bytes)
{
	return py_readable(p) && py_readable((const char *)p + ((bytes - 1) & ~(size_t)7));
}

static bool has_type(const char *object, const void *type)
{
	return readable_to(object, py_layout.object_type + 24u) && PY_AT(void *, object, py_layout.object_type) == type;
}

static bool is_text(const char *s)
{
	uint64_t length;
	uint32_t state;
	unsigned kind;
	const char *end;

	if (!has_type(s, py_symbols.str_type) || !readable_to(s, py_layout.str_compact))
		return false;
	length = PY_AT(uint64_t, s, py_layout.str_length);
	state = PY_AT(uint32_t, s, py_layout.str_state) >> py_layout.str_kind;
	kind = state & PY_STR_KIND_MASK;
	if (length > SANE_BYTES || !(state & PY_STR_COMPACT) || (kind != 1 && kind != 2 && kind != 4))
		return false;
	end = s + (state & PY_STR_ASCII ? py_layout.str_ascii : py_layout.str_compact) + length * kind;
	return py_readable((const char *)((uintptr_t)end & ~(uintptr_t)7)) && !*end;
}

static bool is_bytes(const char *b)
{
	uint64_t size;
	const char *end;

	if (!has_type(b, py_symbols.bytes_type))
		return false;
	size = PY_AT(uint64_t, b, py_layout.var_size);
	end = b + py_layout.bytes_data + size;
	return size < SANE_BYTES && py_readable((const char *)((uintptr_t)end & ~(uintptr_t)7)) && !*end;
}

/* Bytes of bytecode; 0: it makes no sense. */
static uint64_t code_size(const char *code)
{
	const char *bytes;
	uint64_t size;

	if (py_layout.minor > 10) {
		size = PY_AT(uint64_t, code, py_layout.var_size) * 2;
		return size < SANE_BYTES && (uint64_t)PY_AT(uint32_t, code, py_layout.code_traceable) * 2 <= size ? size
														  : 0;
	}
	bytes = PY_AT(char *, code, py_layout.code_bytes);
	return is_bytes(bytes) ? PY_AT(uint64_t, bytes, py_layout.var_size) : 0;
}

static const char *check_code(const char *code)
{
	if (!has_type(code, py_symbols.code_type) ||
	    !readable_to(code, py_layout.minor <= 10 ? 200 : py_layout.code_bytes))
		return "a frame has no code object";
	if (PY_AT(uint32_t, code, py_layout.code_first_line) > 1 << 26 ||
	    PY_AT(uint32_t, code, py_layout.code_flags) > 1 << 28)
		return "a code object's first line or flags make no sense";
	if (!is_text(PY_AT(char *, code, py_layout.code_file)) || !is_text(PY_AT(char *, code, py_layout.code_name)))
		return "a code object's names are no text";
	if (!is_bytes(PY_AT(char *, code, py_layout.code_table)))
		return "a code object has no line table";
	if (!code_size(code))
		return "a code object has no bytecode";
	return NULL;
}

static const char *check_object_frame(const char *frame)
{
	const char *code = PY_AT(char *, frame, py_layout.frame_code), *why = check_code(code);
	int32_t lasti = PY_AT(int32_t, frame, py_layout.frame_instr);
	uint8_t lines = PY_AT(uint8_t, frame, py_layout.frame_mark),
		opcodes = PY_AT(uint8_t, frame, py_layout.frame_mark + 1);

	if (why)
		return why;
	if (lasti < -1 || (lasti > 0 && (uint64_t)lasti * (py_layout.minor == 10 ? 2 : 1) >= code_size(code)))
		return "a frame's instruction lies outside its code";
	return (lines > 1 && lines != 0x41) || opcodes > 1 ? "a frame's flags make no sense" : NULL;
}

static const char *check_inner_frame(const char *frame)
{
	uint8_t owner = PY_AT(uint8_t, frame, py_layout.frame_owner);
	int32_t top = PY_AT(int32_t, frame, py_layout.frame_mark);
	const char *code, *why;
	int64_t at;

	if (owner > OWNER_MAX)
		return "a frame's owner makes no sense";
	if (owner >= OWNER_CSTACK)
		return NULL;
	code = py_frame_target(frame, &py_layout);
	why = check_code(code);
	if (why)
		return why;
	at = PY_AT(int64_t, frame, py_layout.frame_instr) - (int64_t)py_code_start(frame, code, &py_layout);
	if (at < -2 || at > (int64_t)code_size(code))
		return "a frame's instruction lies outside its code";
	if (py_layout.minor <= 13)
		return top > 1 << 24 ? "a frame's stack makes no sense" : NULL;
	top &= 0xff; /* `visited`: 0 or 1, or a mark */
	return py_layout.frame_mark && !owner && top > 1 && top != 0x41 ? "a frame's flags make no sense" : NULL;
}

static const char *check_chunk(const char *tstate)
{
	const char *chunk, *limit;
	uint64_t size;

	if (!py_layout.ts_chunk)
		return NULL;
	chunk = PY_AT(char *, tstate, py_layout.ts_chunk);
	limit = PY_AT(char *, tstate, py_layout.ts_chunk_limit);
	if (!chunk)
		return limit ? "the data stack makes no sense" : NULL;
	if (!readable_to(chunk, 32))
		return "the data stack is not there";
	size = PY_AT(uint64_t, chunk, py_layout.chunk_size);
	return size < SANE_BYTES && chunk + size == limit ? NULL : "the data stack makes no sense";
}

static const char *check_thread(const char *tstate)
{
	const char *interp;

	if (!readable_to(tstate, py_layout.ts_chunk_limit + 8u) || !readable_to(tstate, py_layout.ts_thread_id + 8u))
		return "the thread state is not there";
	if (PY_AT(pthread_t, tstate, py_layout.ts_thread_id) != pthread_self())
		return "the thread state is another thread's";
	interp = PY_AT(char *, tstate, py_layout.ts_interp);
	if (!py_readable(interp) || (py_symbols.interp_head && interp != py_symbols.interp_head() &&
				     (!py_symbols.interp_main || interp != py_symbols.interp_main())))
		return "the thread state is of no interpreter";
	if (py_layout.ts_tracing && PY_AT(uint32_t, tstate, py_layout.ts_tracing) > 1000)
		return "the thread state makes no sense";
	if (py_layout.ts_cframe && !py_readable(PY_AT(char *, tstate, py_layout.ts_cframe)))
		return "the thread state has no C frame";
	return check_chunk(tstate);
}

static const char *check_runtime(void)
{
	const char *run = py_symbols.runtime;

	if (!run)
		return NULL;
	if (py_symbols.interp_head && PY_AT(char *, run, py_layout.run_head) != py_symbols.interp_head())
		return "the list of interpreters is elsewhere";
	if (py_symbols.interp_main && PY_AT(char *, run, py_layout.run_main) != py_symbols.interp_main())
		return "the main interpreter is elsewhere";
	if (py_symbols.is_initialized && !PY_AT(int, run, py_layout.run_initialized) != !py_symbols.is_initialized())
		return "the flag of initialisation is elsewhere";
	return NULL;
}

static const char *check_frame(const char *frame)
{
	if (!readable_to(frame, py_layout.minor <= 10 ? 120 : 80))
		return "a frame is not there";
	return py_layout.minor <= 10 ? check_object_frame(frame) : check_inner_frame(frame);
}

/* NULL when all is well, with the number of frames seen. */
static const char *check(const char *tstate, unsigned *depth)
{
	const char *why = check_runtime(), *frame;

	*depth = 0;
	if (!why)
		why = check_thread(tstate);
	if (why)
		return why;
	for (frame = py_top_frame(tstate); frame && !why && *depth < FRAMES_LOOKED_AT; ++*depth) {
		why = check_frame(frame);
		if (!why)
			frame = PY_AT(char *, frame, py_layout.frame_previous);
	}
	return why;
}

/* Where the getter gets its answer from, so that it need not be asked: up to 3.11 the table knows; later it is the only
 * thread-local word of the interpreter that has this value. */
static void learn_current(void)
{
	const char *now = py_state.current(), *locals, *word = NULL;
	unsigned n = 0;

	if (py_layout.run_current && PY_AT(const char *, py_symbols.runtime, py_layout.run_current) == now && now)
		py_state.current_word = &PY_AT(const char *, py_symbols.runtime, py_layout.run_current);
	if (py_state.current_is_shared || !py_thread_locals.bytes || !now)
		return;
	locals = (const char *)__builtin_thread_pointer() + py_thread_locals.from_thread;
	for (size_t at = 0; at + sizeof now <= py_thread_locals.bytes; at += sizeof now) {
		if (PY_AT(char *, locals, at) != now)
			continue;
		word = locals + at;
		n++;
	}
	if (n == 1)
		py_state.current_from_thread = word - (const char *)__builtin_thread_pointer();
}

/* Whether this is the stack that was looked at last, as far as its top tells. */
static bool seen_before(const char *tstate)
{
	static _Atomic(const char *) last_top;
	const char *top = py_top_frame(tstate), *last = atomic_exchange(&last_top, top);

	return top == last;
}

bool py_selftest(const char *tstate)
{
	static unsigned stacks;
	unsigned depth;
	const char *why;

	if (py_trust != PY_TRUST_TRYING)
		return py_trust == PY_TRUST_FULL;
	if (stacks && seen_before(tstate))
		return true;
	why = check(tstate, &depth);
	if (why) {
		py_stacks_off(why);
		return false;
	}
	if (depth >= DEEP_ENOUGH || (depth && ++stacks >= STACKS_ENOUGH)) {
		py_trust = PY_TRUST_FULL;
		learn_current();
	}
	return true;
}
