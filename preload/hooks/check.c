/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: what PYTRACE_LOG asks for, at the cost that it has
 *
 * check    at every event, the quick answers against full walks that know nothing of walks before
 * unwind   at every UNWIND_EACH-th allocation, the native frames against libunwind's, one by one; and how often the
 * stacks do not fit into each other (a RecursionError of 3.10 and earlier is made before the frame is there)
 */
#include "preload/hooks/check.h"
#include "preload/hooks/hook.h"
#include "preload/record/intern.h"
#include "preload/native/oracle.h"
#include "preload/options.h"
#include "preload/watch/slots.h"

#include <stdio.h>

enum { REPORTS_MAX = 100, UNWIND_EACH = 17 };

unsigned hook_checks;
static bool has_oracle;
static _Atomic(unsigned long long) n_asked, n_stacks, n_frames, n_wrong, n_apart, n_writes;

static void check_write(struct thread *t, const void *context);

void hook_check_start(unsigned checks)
{
	hook_checks = checks;
	intern_is_exact = checks & OPTIONS_LOG_CHECK;
	has_oracle = checks & OPTIONS_LOG_UNWIND && oracle_start();
	if (has_oracle)
		slots_check = check_write;
	if (checks & OPTIONS_LOG_UNWIND && !has_oracle)
		options_say("PYTRACE_LOG=unwind: libunwind.so.8 is not here (or was not when pytrace was built)");
}

void hook_check_end(void)
{
	char line[192];

	if (!has_oracle)
		return;
	snprintf(line, sizeof line,
		 "unwind: %llu stacks of %llu frames compared with libunwind, %llu differ; %llu do not go with their "
		 "Python stacks; %llu were of changes of counts",
		 n_stacks, n_frames, n_wrong, n_apart, n_writes);
	options_say(line);
}

static bool may_report(void)
{
	static _Atomic(unsigned) reports;

	return atomic_fetch_add(&reports, 1) < REPORTS_MAX;
}

static void report(const struct thread *t, const char *what, uint32_t stack, uint32_t full)
{
	char line[128];

	if (!may_report())
		return;
	snprintf(line, sizeof line, "check: thread %u slot %llu: %s stack %u, full walk %u", t->number,
		 (unsigned long long)(t->base_slot + t->head), what, stack, full);
	options_say(line);
}

void hook_check_python(struct thread *t, uint32_t stack, bool has_gil)
{
	uint32_t full;

	if (!(hook_checks & OPTIONS_LOG_CHECK))
		return;
	full = py_stack_full(t, &t->py, has_gil);
	if (full != stack)
		report(t, "Python", stack, full);
}

static void note(const struct thread *t, size_t agreed, struct oracle_wrong wrong)
{
	char line[192];

	atomic_fetch_add(&n_frames, agreed);
	atomic_fetch_add(&n_stacks, 1);
	if (!wrong.theirs)
		return;
	atomic_fetch_add(&n_wrong, 1);
	snprintf(line, sizeof line, "unwind: thread %u slot %llu: frame %zu is %llx, libunwind says %llx%s", t->number,
		 (unsigned long long)(t->base_slot + t->head), agreed, (unsigned long long)wrong.ours,
		 (unsigned long long)wrong.theirs, wrong.early ? " (ours ended before)" : "");
	if (may_report())
		options_say(line);
}

static void compare(struct thread *t, const void *frame)
{
	struct oracle_wrong wrong;
	size_t agreed = oracle_compare(t, frame, &wrong);

	note(t, agreed, wrong);
}

/* Of each change of a watched count. */
static void check_write(struct thread *t, const void *context)
{
	struct oracle_wrong wrong;
	size_t agreed;

	if (!native_on)
		return;
	agreed = oracle_compare_write(t, context, &wrong);
	atomic_fetch_add(&n_writes, 1);
	note(t, agreed, wrong);
}

void hook_check_native(struct thread *t, uint32_t python, uint32_t stack, const void *frame)
{
	uint32_t full;

	if (hook_checks & OPTIONS_LOG_CHECK) {
		full = native_stack_full(t, python, frame);
		if (full != stack)
			report(t, "native", stack, full);
	}
	if (!has_oracle)
		return;
	n_apart += python && !t->native.in_step; /* as many evaluation loops as entries */
	if (atomic_fetch_add(&n_asked, 1) % UNWIND_EACH == 0)
		compare(t, frame);
}
