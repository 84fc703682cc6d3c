/* SPDX-License-Identifier: Apache-2.0 */
/* trouble: trace_trouble(), what is wrong with a file as a sentence. All who read it ask this, and it asks nobody. */
#include "analyzer/read/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trace_trouble(struct trace *t, uint64_t offset, const char *text, ...)
{
	va_list args;
	char cause[512], where[40] = "";
	char *made = NULL;

	va_start(args, text);
	vsnprintf(cause, sizeof cause, text, args);
	va_end(args);
	if (offset != FAULT_NOWHERE)
		snprintf(where, sizeof where, " (at byte %" PRIu64 ")", offset);
	if (asprintf(&made, "%s%s", cause, where) < 0)
		made = mem_text(cause, strlen(cause));
	*array_push(&t->troubles) = (struct trouble){ offset, made };
}
