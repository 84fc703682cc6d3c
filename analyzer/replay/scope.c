/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/replay/scope.h"

#include <string.h>

/* ---- regions ---- */

/* The innermost that is the thread's and, if it can be, the task's; open.n: none. */
static size_t innermost(const struct scope *s, uint32_t thread, uint64_t task)
{
	size_t found = s->open.n;

	for (size_t i = s->open.n; i-- > 0;) {
		if (s->open.at[i].thread != thread)
			continue;
		if (s->open.at[i].task == task)
			return i;
		if (found == s->open.n)
			found = i;
	}
	return found;
}

static void leave(struct scope *s, uint32_t thread, uint64_t task)
{
	size_t i = innermost(s, thread, task);

	if (i == s->open.n)
		return;
	memmove(&s->open.at[i], &s->open.at[i + 1], (s->open.n - i - 1) * sizeof *s->open.at);
	s->open.n--;
}

void scope_event(struct scope *s, const struct pt_event *ev, const struct defs *defs, uint32_t thread, uint64_t task)
{
	const char *wanted = ev->op == PT_OP_MARK ? s->mark : s->region, *label;
	bool is_ours;

	if (!wanted)
		return;
	label = defs_string(defs, ev->addr);
	is_ours = label && !strcmp(label, wanted);
	if (ev->op == PT_OP_MARK) {
		s->mark_holds = is_ours;
		s->entered_mark += is_ours;
	} else if (is_ours && ev->op == PT_OP_REGION_BEGIN) {
		*array_push(&s->open) = (struct scope_open){ thread, task };
		s->entered_region += !ev->size;
	} else if (is_ours) {
		leave(s, thread, task);
	}
}

static bool region_holds(const struct scope *s, uint32_t thread, uint64_t task)
{
	for (size_t i = 0; i < s->open.n; i++)
		if (s->open.at[i].thread == thread && (!s->open.at[i].task || s->open.at[i].task == task))
			return true;
	return false;
}

bool scope_holds(const struct scope *s, uint32_t thread, uint64_t task)
{
	return (!s->mark || s->mark_holds) && (!s->region || region_holds(s, thread, task));
}

/* ---- blocks ---- */

void scope_add(struct scope *s, uint64_t number)
{
	struct scope_run *last = s->runs.n ? &s->runs.at[s->runs.n - 1] : NULL;

	if (last && last->last + 1 == number)
		last->last = number;
	else
		*array_push(&s->runs) = (struct scope_run){ number, number };
}

bool scope_has(const struct scope *s, uint64_t number)
{
	size_t low = 0, high = s->runs.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->runs.at[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->runs.n && s->runs.at[low].first <= number;
}

void scope_free(struct scope *s)
{
	array_free(&s->open);
	array_free(&s->runs);
}
