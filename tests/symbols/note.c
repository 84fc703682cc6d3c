/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "note.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

struct note_call note_calls[16];
int note_depth;

__attribute__((noinline)) void note(const char *name, int line)
{
	const char *address = __builtin_return_address(0);
	Dl_info where;

	dladdr(address, &where);
	printf("%lx\t%s:%d", (unsigned long)(address - (const char *)where.dli_fbase), name, line);
	for (int i = note_depth; i-- > 0;)
		printf("\t%s:%d", note_calls[i].name, note_calls[i].line);
	putchar('\n');
}
