/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lives: the interpreter's own word on who is made and destroyed (PyRefTracer_SetTracer, 3.13)
 *
 * It may be set before the interpreter starts, but in debug builds, which want a thread state for it: there the main
 * thread is asked to.
 */
#include "preload/py/moment.h"
#include "preload/py/parts.h"

enum { FIRST_WITH_ALL_DEATHS = 0x030d03f0 };

static int (*set_tracer)(int (*f)(const char *object, int event, void *data), void *data);
static void *(*get_tracer)(void **data);
static int (*ours)(const char *object, int event, void *data);
static bool set, asked;

static int set_now(void *arg)
{
	(void)arg;
	set = !set_tracer(ours, NULL);
	return 0;
}

bool py_lives_set(int (*f)(const char *object, int event, void *data))
{
	if (!py_state.types)
		return false;
	set_tracer = (__typeof__(set_tracer))py_symbol("PyRefTracer_SetTracer");
	get_tracer = (__typeof__(get_tracer))py_symbol("PyRefTracer_GetTracer");
	if (!set_tracer || !get_tracer)
		return false;
	ours = f;
	if (!py_info()->debug)
		set_now(NULL);
	return true;
}

bool py_lives_are_ours(void)
{
	void *data;

	if (!set) {
		if (!asked && py_initialized())
			asked = py_ask_main(set_now, NULL);
		return true;
	}
	/* debug builds would want a thread state here, too */
	return py_info()->debug || get_tracer(&data) == (void *)ours;
}

bool py_lives_miss_deaths(void) { return py_info()->hexversion < FIRST_WITH_ALL_DEATHS; }
