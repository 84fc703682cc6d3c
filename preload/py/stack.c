/* SPDX-License-Identifier: Apache-2.0 */
/* stack: the current Python stack, by what changed since the last event. See README.md. */
#include "preload/py/py.h"

#include "preload/arena.h"
#include "preload/intern.h"

static const char *nobody(void) { return NULL; }
static const int zero;
static void *const null;

struct py_state py_state = {
	.epoch = 1,
	.current = nobody,
	.code_type = &py_state.code_type,
	.initialized = &zero,
	.finalizing = &null,
};

uint32_t py_stack_changed(struct thread *t, struct py_thread *p, const char *tstate)
{
	(void)t, (void)p, (void)tstate;
	return 0;
}

uint32_t py_stack_without_gil(struct thread *t, struct py_thread *p)
{
	(void)t, (void)p;
	return 0;
}

uint32_t py_stack_full(struct thread *t, const struct py_thread *p, bool has_gil)
{
	(void)t, (void)p, (void)has_gil;
	return 0;
}

void py_thread_end(struct py_thread *p) { (void)p; }
void py_after_fork(void) { py_state.epoch++; }
