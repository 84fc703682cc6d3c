/* SPDX-License-Identifier: Apache-2.0 */
/* check: PYTRACE_LOG=check compares the answer of the fast path with a full walk, at every event. */
#include "preload/hooks/hook.h"
#include "preload/options.h"

#include <stdio.h>

enum { REPORTS_MAX = 100 };

void hook_check_stack(struct thread *t, uint32_t stack, bool has_gil)
{
	static _Atomic(unsigned) reports;
	uint32_t full = py_stack_full(t, &t->py, has_gil);
	char line[128];

	if (full == stack || atomic_fetch_add(&reports, 1) >= REPORTS_MAX)
		return;
	snprintf(line, sizeof line, "check: thread %u slot %llu: stack %u, full walk %u", t->number,
		 (unsigned long long)(t->base_slot + t->head), stack, full);
	options_say(line);
}
