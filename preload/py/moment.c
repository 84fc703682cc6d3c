/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moment: loads of the interpreter's own state; see README.md, "Who holds the GIL"
 *
 * Up to 3.11 one word says which thread state holds the GIL. Since 3.12 a thread knows of itself only, and the lock
 * says whether it is taken; that word is believed once it was seen to be set while this thread held the lock.
 */
#include "preload/py/moment.h"
#include "preload/py/parts.h"

#include <dlfcn.h>
#include <pthread.h>

static int (*add_pending_call)(int (*)(void *), void *);
static enum { LOCK_UNKNOWN, LOCK_BELIEVED, LOCK_STRANGE } lock_word;

void py_moment_start(void *handle)
{
	if (!add_pending_call)
		*(void **)&add_pending_call = dlsym(handle ? handle : RTLD_DEFAULT, "Py_AddPendingCall");
}

static const char *main_interpreter(void)
{
	return py_layout.minor && py_symbols.runtime ? PY_AT(const char *, py_symbols.runtime, py_layout.run_main)
						     : NULL;
}

/* Whether the lock of the main interpreter is taken; true when there is no telling. */
static bool is_locked(void)
{
	const char *interp = main_interpreter(), *gil;

	if (!interp || !py_layout.interp_gil)
		return true;
	gil = PY_AT(const char *, interp, py_layout.interp_gil);
	return !gil || PY_AT(const volatile int, gil, py_layout.gil_locked) != 0;
}

static void believe_lock(void)
{
	const char *gil = PY_AT(const char *, main_interpreter(), py_layout.interp_gil);

	lock_word = gil && PY_AT(const volatile int, gil, py_layout.gil_locked) == 1 ? LOCK_BELIEVED : LOCK_STRANGE;
}

static enum py_gil gil_by_thread(void)
{
	if (py_current()) {
		if (lock_word == LOCK_UNKNOWN && main_interpreter() && py_layout.interp_gil)
			believe_lock();
		return PY_GIL_MINE;
	}
	if (py_info()->free_threaded)
		return PY_GIL_FREE;
	return lock_word == LOCK_BELIEVED && !is_locked() ? PY_GIL_FREE : PY_GIL_OTHER;
}

/* The state of a thread in a subinterpreter is not the one that gilstate() knows. */
static enum py_gil gil_by_holder(void)
{
	const char *holder = py_current(), *mine;

	if (!holder)
		return PY_GIL_FREE;
	mine = py_symbols.gilstate ? py_symbols.gilstate() : NULL;
	if (holder == mine)
		return PY_GIL_MINE;
	return mine && PY_AT(uintptr_t, holder, py_layout.ts_thread_id) == (uintptr_t)pthread_self() ? PY_GIL_MINE
												     : PY_GIL_OTHER;
}

enum py_gil py_gil(void)
{
	if (!py_symbols.current || !py_layout.minor)
		return PY_GIL_OTHER;
	return py_state.current_is_shared ? gil_by_holder() : gil_by_thread();
}

bool py_i_finalize(void)
{
	const void *who = *(void *const volatile *)py_state.finalizing;

	return who && py_gil() == PY_GIL_MINE && py_current() == who;
}

bool py_collecting(void)
{
	const char *gc;

	if (!py_layout.gc_collecting)
		return false;
	if (py_layout.run_gc)
		gc = py_symbols.runtime + py_layout.run_gc;
	else
		gc = main_interpreter() ? main_interpreter() + py_layout.interp_gc : NULL;
	return gc && PY_AT(const volatile int, gc, py_layout.gc_collecting) != 0;
}

/* 3.8 prints an exception instead of refusing quietly. */
static bool would_be_refused(void)
{
	return py_layout.run_finishing && PY_AT(const volatile int, py_symbols.runtime, py_layout.run_finishing) != 0;
}

bool py_ask_main(int (*f)(void *), void *arg)
{
	if (!add_pending_call || !py_layout.minor || !py_initialized() || py_finalizing() || would_be_refused())
		return false;
	return !add_pending_call(f, arg);
}
