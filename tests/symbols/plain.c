/* SPDX-License-Identifier: Apache-2.0 */
/* plain: C functions inlined into each other, static and cold ones, one within another */
#include "note.h"

#include <stdlib.h>

ALWAYS_INLINE void inner(void) { NOTE("inner"); }

ALWAYS_INLINE void middle(int n)
{
	NOTE("middle");
	CALL("middle", inner());
	for (int i = 0; i < n; i++) {
		int twice = i * 2; /* a block of its own */

		if (twice)
			CALL("middle", inner());
	}
}

NEVER_INLINE void outer(int n)
{
	FRESH();
	NOTE("outer");
	CALL("outer", middle(n));
	DONE();
}

static NEVER_INLINE __attribute__((cold)) void hidden(void)
{
	FRESH();
	NOTE("hidden");
	CALL("hidden", inner());
	DONE();
}

int main(int argc, char **argv)
{
	(void)argv;
	outer(argc + 1);
	if (argc < 1000)
		hidden();
#ifndef __clang__
	/* A function within a function, which only GCC has. */
	__attribute__((noinline)) void nested(void)
	{
		FRESH();
		NOTE("nested");
		DONE();
	}
	nested();
#endif
	return argc == 1000;
}
