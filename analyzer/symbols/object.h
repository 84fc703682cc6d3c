/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: one ELF file and its debug information, asked by address
 *
 * What:  finds and opens the file of a module (files.h says where), reads symbol tables and DWARF as they are asked
 *        for, through elfutils. Without elfutils object_absent.c stands in for it and finds nothing.
 * Trust: none, see symbols.h. All loops are bounded by the sizes of what they read, or by a limit of their own.
 * Who:   symbols.c alone.
 */
#pragma once
#include "analyzer/symbols/symbols.h"

struct files;

/* What an object exports, as far as it tells what kind of module it is. */
enum {
	OBJECT_PYINIT = 1 << 0, /* PyInit_... */
	OBJECT_EVAL = 1 << 1,   /* the evaluation loop of CPython */
};

/* Frames that object_find() found, the innermost first. Texts live as long as the object. */
enum { OBJECT_MAX_FRAMES = 64 };
struct object_frames {
	struct symbol at[OBJECT_MAX_FRAMES];
	size_t n;
};

/* Whether pytrace was built with what this needs. */
bool object_available(void);

/* Opens what can be found of the module, whose texts must outlive the object. NULL when nothing could; then, if there
 * is something to say about it, a sentence is in *ret_warning (to free). */
struct object *object_open(struct files *files, const struct symbols_module *m, char **ret_warning);
void object_close(struct object *o);

/* OBJECT_ flags. */
unsigned object_exports(struct object *o);

/* Whether it, or its debug file, has DWARF for its code. */
bool object_has_lines(struct object *o);

/* The frames at an address of the file. symbol.function is as the linker has it, to be demangled, or a plain name. */
void object_find(struct object *o, uint64_t address, struct object_frames *ret);
