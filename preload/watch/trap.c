/* SPDX-License-Identifier: Apache-2.0 */
/* trap: see trap.h */
#include "preload/watch/trap.h"
#include "preload/watch/disguise.h"

#include <errno.h>
#include <stddef.h>

static const struct means *asked;

static void on_trap(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	if (!asked->trap(info, context))
		disguise_forward(number, info, context);
	errno = saved;
}

bool trap_start(const struct means *means)
{
	asked = means;
	return disguise_take(SIGTRAP, on_trap);
}
