/* SPDX-License-Identifier: Apache-2.0 */
/* symbolise: the symbols of a trace's modules, as a command line wants them looked for */
#pragma once
#include "analyzer/out/options.h"
#include "analyzer/read/trace.h"
#include "analyzer/symbols/symbols.h"

/* The file beside a trace that `pytrace bundle` makes: "app.71.pytrace.symbols". Written into buf, which is returned;
 * "" when it doesn't fit. */
char *symbolise_bundle(const char *trace_file, char *buf, size_t cap);

/* Knows the modules by their numbers in trace->defs.modules. --sysroot and --debug-path hold; what lies in a bundle
 * beside the trace is used when `bundled`. Owned by the caller, symbols_free(). */
struct symbols *symbolise_new(const struct trace *trace, const struct options_common *common, bool bundled);
