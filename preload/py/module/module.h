/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module: `import libpytrace` in the traced program: what a program may ask of its tracer
 *
 * What:  a built-in module of that name, in every CPython that the library finds before it is initialised. It knows how
 *        to be called by Python; what is asked for is done by `struct module_calls`, whose functions know no Python.
 * How:   a table of built-in modules in the tracer's own memory, a copy of the interpreter's with one more row, takes
 *        the place of the interpreter's (PyImport_Inittab). The interpreter makes the module when it is imported, by
 *        PEP 489: in subinterpreters too, and without taking the GIL back in a free-threaded build.
 * Who:   lifecycle.c. This is the one room that calls the C-API as an extension module does: its functions are called
 * by Python code, with the GIL and outside of any hook. What they allocate is the program's memory, and is recorded.
 */
#pragma once
#include "preload/record/intern.h"

#include <stdbool.h>
#include <stdint.h>

enum module_region { MODULE_REGION_BEGIN, MODULE_REGION_RESUME, MODULE_REGION_END };
enum module_answer { MODULE_NO, MODULE_YES, MODULE_LATER /* ask again, when other threads have had the GIL */ };

/* What libpytrace.stats() tells. */
struct module_stats {
	const char *mode; /* "full", "off" */
	bool recording;   /* what is allocated goes into a file */
	bool stopped;     /* it would, but for PYTRACE_START or libpytrace.stop() */
	const char *file; /* its path, absolute; "" : there is none */
	uint64_t file_bytes, events, lost;
	uint32_t snapshots, watched;
	const char *watch_off; /* why less can be watched than asked for; NULL */
};

/* Called at DEPTH_OUTSIDE, by a thread with the GIL. Texts are UTF-8, and borrowed for the call. */
struct module_calls {
	void (*mark)(struct piece label);
	void (*region)(struct piece label, enum module_region what);
	/* `label` (data NULL: none) becomes a mark before it. *ret_number: of the snapshot, when the answer is YES. */
	enum module_answer (*snapshot)(struct piece label, uint32_t *ret_number);
	bool (*watch)(const void *object);
	/* Starts recording, or stops it. Whether that changed anything. */
	bool (*record)(bool on);
	/* NO: something is still being written. */
	enum module_answer (*flush)(void);
	void (*stats)(struct module_stats *stats);
};

/* Before the interpreter that py_start() found is initialised; later ones are left alone. `calls` lives for ever. */
void module_start(const struct module_calls *calls);
/* While the interpreter is not initialised: puts the row back where somebody took the interpreter's own table again
 * (the end of Py_RunMain does). */
void module_watch(void);
