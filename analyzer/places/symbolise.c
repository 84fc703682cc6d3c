/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/places/symbolise.h"

#include <limits.h>
#include <stdio.h>

char *symbolise_bundle(const char *trace_file, char *buf, size_t cap)
{
	if (snprintf(buf, cap, "%s.symbols", trace_file) >= (int)cap)
		*buf = 0;
	return buf;
}

static void add_module(struct symbols *s, const struct trace *trace, uint32_t number)
{
	const struct strings *texts = &trace->defs.strings;
	const struct module *m = &trace->defs.modules.at.at[number];

	symbols_add_module(s, number,
			   &(struct symbols_module){
				   .path = strings_text(texts, m->path),
				   .build_id = (const uint8_t *)strings_text(texts, m->build_id),
				   .build_id_bytes = (unsigned)strings_len(texts, m->build_id),
				   .flags = m->flags,
			   });
}

struct symbols *symbolise_new(const struct trace *trace, const struct options_common *common, bool bundled)
{
	char bundle[PATH_MAX];
	struct symbols *s = symbols_new(&(struct symbols_options){
		.sysroot = common->sysroot,
		.debug_path = common->debug_path,
		.bundle = bundled ? symbolise_bundle(trace->file, bundle, sizeof bundle) : NULL,
	});

	for (size_t i = MODULE_UNKNOWN + 1; i < trace->defs.modules.at.n; i++)
		add_module(s, trace, (uint32_t)i);
	return s;
}
