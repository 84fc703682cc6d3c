/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx: operator new and operator delete
 *
 * A block is asked for with the form that does not throw, so that no exception passes while the hook is open. When
 * there is none to be had the throwing form is called after all, with the hook closed: it asks the program's
 * new-handler and throws.
 */
#include "preload/hooks/foreign.h"
#include "preload/hooks/hook.h"

typedef size_t align_t; /* std::align_val_t */

static char nothing; /* what std::nothrow refers to is never looked at */

/* Each operator, by the name that compilers give it: what it takes, what it is called with. */
#define OPERATORS                                                                                              \
	QUIET(_ZnwmRKSt9nothrow_t, (size_t size, void *nothrow), (size, nothrow))                              \
	QUIET(_ZnamRKSt9nothrow_t, (size_t size, void *nothrow), (size, nothrow))                              \
	QUIET(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, align_t a, void *nothrow), (size, a, nothrow)) \
	QUIET(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, align_t a, void *nothrow), (size, a, nothrow)) \
	NEW(_Znwm, (size_t size), (size), _ZnwmRKSt9nothrow_t, (size, &nothing))                               \
	NEW(_Znam, (size_t size), (size), _ZnamRKSt9nothrow_t, (size, &nothing))                               \
	NEW(_ZnwmSt11align_val_t, (size_t size, align_t a), (size, a), _ZnwmSt11align_val_tRKSt9nothrow_t,     \
	    (size, a, &nothing))                                                                               \
	NEW(_ZnamSt11align_val_t, (size_t size, align_t a), (size, a), _ZnamSt11align_val_tRKSt9nothrow_t,     \
	    (size, a, &nothing))                                                                               \
	DELETE(_ZdlPv, (void *p), (p))                                                                         \
	DELETE(_ZdaPv, (void *p), (p))                                                                         \
	DELETE(_ZdlPvm, (void *p, size_t size), (p, size))                                                     \
	DELETE(_ZdaPvm, (void *p, size_t size), (p, size))                                                     \
	DELETE(_ZdlPvSt11align_val_t, (void *p, align_t a), (p, a))                                            \
	DELETE(_ZdaPvSt11align_val_t, (void *p, align_t a), (p, a))                                            \
	DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t size, align_t a), (p, size, a))                        \
	DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t size, align_t a), (p, size, a))                        \
	DELETE(_ZdlPvRKSt9nothrow_t, (void *p, void *nothrow), (p, nothrow))                                   \
	DELETE(_ZdaPvRKSt9nothrow_t, (void *p, void *nothrow), (p, nothrow))                                   \
	DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, align_t a, void *nothrow), (p, a, nothrow))      \
	DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, align_t a, void *nothrow), (p, a, nothrow))

static struct {
#define QUIET(name, parameters, arguments)                       void *(*name)parameters;
#define NEW(name, parameters, arguments, quiet, quiet_arguments) void *(*name)parameters;
#define DELETE(name, parameters, arguments)                      void(*name) parameters;
	OPERATORS
#undef QUIET
#undef NEW
#undef DELETE
} own;

/* `frame`: the hook's CPU_FRAME(). */
static inline void record(struct thread *t, const void *p, size_t size, const void *frame)
{
	if (!t)
		return;
	hook_alloc(t, PT_LAYER_MALLOC, p, size, frame, false);
	thread_leave(t);
}

#define QUIET(name, parameters, arguments)                             \
	static void *hook_##name parameters                            \
	{                                                              \
		void *block;                                           \
                                                                       \
		RECORD_ALLOC(block, size, block = own.name arguments); \
		return block;                                          \
	}

#define NEW(name, parameters, arguments, quiet, quiet_arguments)      \
	static void *hook_##name parameters                           \
	{                                                             \
		struct thread *t = own.quiet ? thread_enter() : NULL; \
		void *block = t ? own.quiet quiet_arguments : NULL;   \
                                                                      \
		record(t, block, size, CPU_FRAME());                  \
		if (block)                                            \
			return block;                                 \
		block = own.name arguments;                           \
		record(thread_enter(), block, size, CPU_FRAME());     \
		return block;                                         \
	}

#define DELETE(name, parameters, arguments)                 \
	static void hook_##name parameters                  \
	{                                                   \
		if (p)                                      \
			RECORD_FREE(p, own.name arguments); \
		else                                        \
			own.name arguments;                 \
	}

OPERATORS

#undef QUIET
#undef NEW
#undef DELETE
#define ROW(name)         { #name, (void *)hook_##name, (void **)&own.name },
#define QUIET(name, ...)  ROW(name)
#define NEW(name, ...)    ROW(name)
#define DELETE(name, ...) ROW(name)

const struct foreign_hook cxx_hooks[] = { OPERATORS };
const size_t cxx_hooks_n = sizeof cxx_hooks / sizeof *cxx_hooks;
