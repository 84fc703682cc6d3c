/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries: where on the C stack the evaluation loop was entered
 *
 * Since 3.12 each call of the loop by C code has a frame of its own in the loop's C frame (Python/ceval.c,
 * entry_frame). So its address tells which machine code the loop is, however the compiler has cut that function up.
 */
#include "preload/py/walk.h"

unsigned py_entry_places(const struct py_thread *p, uint64_t *places, unsigned max)
{
	unsigned n = 0;

	if (py_layout.minor < 12)
		return 0;
	for (uint32_t i = p->depth; i-- && n < max;)
		if (p->cached[i].entry)
			places[n++] = (uint64_t)(uintptr_t)p->cached[i].frame;
	return n;
}
