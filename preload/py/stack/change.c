/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change: which instruction took or gave a reference, where the current frame alone does not tell
 *
 * Returns. From 3.12 on (3.11: where C code called the function) the caller is the current frame while what a function
 * has left behind is given back. Its frame is still the last one of the data stack: from its start to the stack's top
 * is what its code object says that it takes. So is the frame of a call that is being made, but that gives nothing
 * back.
 *
 * Halves. 3.11 and 3.12 run some pairs of instructions as one, and the frame tells the first. The pairs are made of
 * LOAD_FAST, LOAD_CONST and STORE_FAST, which take one, take one, and give one; they may be on two lines.
 */
#include "preload/py/stack/walk.h"

enum { TOP_FROM_CHUNK = 8 }; /* PyThreadState: datastack_chunk, datastack_top, datastack_limit */

/* ---- returns ---- */

static size_t frame_bytes(const char *code)
{
	return ((size_t)PY_AT(int32_t, code, py_layout.code_n_locals) +
		(size_t)PY_AT(int32_t, code, py_layout.code_stack_size)) *
		       sizeof(void *) +
	       py_layout.frame_locals;
}

/* Where the frame behind the innermost one of this chunk would begin. */
static const char *next_place(const char *tstate, const char *chunk, const char *top)
{
	const char *frame = py_top_frame(tstate);

	while (frame && !(frame > chunk && frame < top && owner_of(frame, &py_layout) == OWNER_THREAD))
		frame = previous_of(frame, &py_layout);
	if (frame)
		return frame + frame_bytes(py_frame_target(frame, &py_layout));
	return chunk + py_layout.chunk_data + (PY_AT(void *, chunk, py_layout.chunk_previous) ? 0 : sizeof(void *));
}

const char *py_dying_frame(const char *tstate)
{
	const char *chunk, *top, *frame, *code;

	if (are_objects(&py_layout))
		return NULL;
	chunk = PY_AT(const char *, tstate, py_layout.ts_chunk);
	top = PY_AT(const char *, tstate, py_layout.ts_chunk + TOP_FROM_CHUNK);
	if (!chunk || !top || !py_top_frame(tstate))
		return NULL;
	frame = next_place(tstate, chunk, top);
	if (frame + py_layout.frame_locals > top || !py_frame_is_sane(frame))
		return NULL;
	code = py_frame_target(frame, &py_layout);
	return frame + frame_bytes(code) == top && owner_of(frame, &py_layout) == OWNER_THREAD &&
			       previous_of(frame, &py_layout) == py_top_frame(tstate)
		       ? frame
		       : NULL;
}

/* ---- halves ---- */

enum half { LOAD, CONST, STORE };
static const struct pair {
	uint8_t minor, opcode, first, second;
} pairs[] = {
	{ 11, 44, CONST, LOAD }, { 11, 45, LOAD, CONST }, { 11, 46, LOAD, LOAD }, { 11, 161, STORE, LOAD },
	{ 12, 84, CONST, LOAD }, { 12, 86, LOAD, CONST }, { 12, 88, LOAD, LOAD }, { 12, 154, STORE, LOAD },
};

static const struct pair *pair_of(const uint8_t *instr)
{
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (pairs[i].minor == py_layout.minor && pairs[i].opcode == *instr)
			return &pairs[i];
	return NULL;
}

static bool is_local(const char *frame, unsigned number, const char *object)
{
	return PY_AT(const char *, frame, py_layout.frame_locals + number * sizeof object) == object;
}

uint32_t py_second_half(const char *frame, const char *object, int64_t delta)
{
	const uint8_t *instr;
	const struct pair *pair;
	uint32_t offset;

	if (py_layout.minor < 11 || py_layout.minor > 12 || !frame || !delta || !py_frame_code(frame, &offset) ||
	    offset == PT_OFFSET_NONE)
		return 0;
	instr = (const uint8_t *)(uintptr_t)instr_of(frame, &py_layout);
	pair = pair_of(instr);
	if (!pair)
		return 0;
	if (pair->first == STORE)
		return delta > 0 ? 2 : 0;
	/* of two that take one: the one that has the object */
	if (pair->first == LOAD)
		return delta > 0 && !is_local(frame, instr[1], object) ? 2 : 0;
	return delta > 0 && is_local(frame, instr[3], object) ? 2 : 0;
}
