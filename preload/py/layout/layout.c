/* SPDX-License-Identifier: Apache-2.0 */
/* layout: the row in force, corrected by what the interpreter publishes. A new version: see README.md. */
#include "preload/py/layout/layout_rows.h"

#include <stddef.h>
#include <string.h>

struct py_layout py_layout;
static int interp_shift;

/* Members of _Py_DebugOffsets, which are 64-bit offsets, and the fields that they tell. The struct itself changes with
 * each minor version; 0 where it lacks the member. */
static const struct {
	uint16_t field, at13, at14;
} published[] = {
	{ offsetof(struct py_layout, ts_size), 152, 176 },
	{ offsetof(struct py_layout, ts_interp), 176, 200 },
	{ offsetof(struct py_layout, ts_top), 184, 208 },
	{ offsetof(struct py_layout, ts_thread_id), 192, 216 },
	{ offsetof(struct py_layout, ts_chunk), 208, 232 },
	{ offsetof(struct py_layout, frame_code), 240, 264 },
	{ offsetof(struct py_layout, frame_previous), 232, 256 },
	{ offsetof(struct py_layout, frame_instr), 248, 272 },
	{ offsetof(struct py_layout, frame_owner), 264, 288 },
	{ offsetof(struct py_layout, code_first_line), 312, 352 },
	{ offsetof(struct py_layout, code_file), 280, 320 },
	{ offsetof(struct py_layout, code_name), 296, 336 },
	{ offsetof(struct py_layout, code_table), 304, 344 },
	{ offsetof(struct py_layout, code_bytes), 344, 384 },
	{ offsetof(struct py_layout, str_length), 552, 632 },
	{ offsetof(struct py_layout, str_state), 544, 624 },
	{ offsetof(struct py_layout, str_ascii), 560, 640 },
	{ offsetof(struct py_layout, bytes_data), 528, 608 },
	{ offsetof(struct py_layout, object_type), 360, 408 },
	{ offsetof(struct py_layout, interp_modules), 88, 96 },
	{ offsetof(struct py_layout, interp_id), 56, 56 },
	{ offsetof(struct py_layout, interp_next), 64, 64 },
	{ offsetof(struct py_layout, interp_threads), 72, 72 },
	{ offsetof(struct py_layout, interp_gc), 80, 88 },
	{ offsetof(struct py_layout, interp_sysdict), 96, 104 },
	{ offsetof(struct py_layout, interp_builtins), 104, 112 },
	{ offsetof(struct py_layout, ts_next), 168, 192 },
	{ offsetof(struct py_layout, ts_native_id), 200, 224 },
	{ offsetof(struct py_layout, gc_collecting), 576, 656 },
	{ offsetof(struct py_layout, run_finalizing), 32, 32 },
	{ offsetof(struct py_layout, run_head), 40, 40 },
};

static void take_published(unsigned minor, const char *runtime)
{
	if (memcmp(runtime, "xdebugpy", 8) != 0)
		return;
	for (unsigned i = 0; i < sizeof published / sizeof *published; i++) {
		unsigned at = minor == 13 ? published[i].at13 : published[i].at14;
		uint64_t value;

		memcpy(&value, runtime + at, sizeof value);
		if (at && value <= UINT16_MAX)
			*(uint16_t *)((char *)&py_layout + published[i].field) = (uint16_t)value;
	}
}

/* Bugfix releases add members to the public part of a thread state (3.13 got datastack_cached_chunk), and move
 * what lies behind it. */
static void follow_thread_state(const struct py_layout *row)
{
	int shift = py_layout.ts_size - row->ts_size;

	if (py_layout.ts_loop)
		py_layout.ts_loop = (uint16_t)(py_layout.ts_loop + shift);
	if (py_layout.ts_task)
		py_layout.ts_task = (uint16_t)(py_layout.ts_task + shift);
	if (py_layout.ts_counts) {
		py_layout.ts_counts = (uint16_t)(py_layout.ts_counts + shift);
		py_layout.ts_c_refs = (uint16_t)(py_layout.ts_c_refs + shift);
	}
}

bool py_layout_choose(unsigned minor, bool free_threaded, const char *runtime)
{
	unsigned row = free_threaded ? PY_LAYOUT_THREADED + minor : minor;

	if (minor >= PY_LAYOUT_THREADED || row >= PY_LAYOUT_ROWS || !py_layout_rows[row].minor)
		return false;
	py_layout = py_layout_rows[row];
	if (runtime && (minor == 13 || minor == 14))
		take_published(minor, runtime);
	follow_thread_state(&py_layout_rows[row]);
	interp_shift = py_layout.interp_sysdict - py_layout_rows[row].interp_sysdict;
	return true;
}

int py_layout_interp_shift(void) { return interp_shift; }

void py_layout_unmark(void) { py_layout.frame_mark = 0; }
