/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/base/fault.h"

#include <inttypes.h>
#include <stdarg.h>

int fault_set(struct fault *f, enum fault_code code, const char *file, uint64_t offset, const char *cause, ...)
{
	va_list args;

	if (!f)
		return code;
	f->code = code;
	f->offset = offset;
	snprintf(f->file, sizeof f->file, "%s", file ? file : "");
	va_start(args, cause);
	vsnprintf(f->cause, sizeof f->cause, cause, args);
	va_end(args);
	return code;
}

void fault_print(const struct fault *f, FILE *to)
{
	fputs("pytrace: ", to);
	if (*f->file)
		fprintf(to, "%s: ", f->file);
	fputs(f->cause, to);
	if (f->offset != FAULT_NOWHERE)
		fprintf(to, " (at byte %" PRIu64 ")", f->offset);
	fputc('\n', to);
}
