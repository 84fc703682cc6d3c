/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place_source: the line of a source that a place is at
 *
 * A bundle has it as it was on the machine that was traced, and is asked first: a file of the same name here may be
 * another one. With --sysroot the user says that the files there are the right ones.
 */
#include "analyzer/places/place.h"
#include "analyzer/out/format.h"
#include "analyzer/out/source.h"

#include <string.h>

static bool from_bundle(const struct place_table *t, const char *path, int line, char *buf, size_t cap,
			bool *ret_changed)
{
	const char *text = t->symbols ? symbols_source(t->symbols, path, line, ret_changed) : NULL;

	if (text)
		format_printable(buf, cap, text);
	return text && *buf;
}

bool place_source(const struct place_table *t, const struct place *p, char *buf, size_t cap, bool *ret_changed)
{
	uint64_t start_ns = t->trace->front.start_real_ns;
	bool has_root = *t->sysroot;
	char path[4096];
	const char *traced;

	place_path(t, p, path, sizeof path);
	traced = path + (strlen(path) > strlen(t->sysroot) ? strlen(t->sysroot) : 0);
	if (!has_root && from_bundle(t, traced, p->at.line, buf, cap, ret_changed))
		return true;
	return source_line(path, p->at.line, start_ns, buf, cap, ret_changed) ||
	       (has_root && from_bundle(t, traced, p->at.line, buf, cap, ret_changed));
}
