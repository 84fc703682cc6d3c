/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules: the files of machine code that a traced process had loaded
 *
 * What:  each MODULE definition; equal ones (unloaded and loaded again) under one number; what kind of file it is, as
 *        far as its name and flags tell without looking at the file (symbols/ looks).
 * Owner: struct defs. Read-only after defs_finish().
 */
#pragma once
#include "formats/event.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/strings.h"

/* Numbers of modules that no definition stands for. */
enum {
	MODULE_NONE = 0 /* code of no file: the offset is the address */,
	MODULE_UNKNOWN = 1 /* its definition is missing */
};

/* What a module's frames are to somebody who looks for his own code. */
enum module_role {
	MODULE_OTHER,       /* a library, an extension module, the program itself */
	MODULE_INTERPRETER, /* Python */
	MODULE_ALLOCATOR,   /* an allocator, the tracer, the dynamic linker, the kernel's vDSO: never of interest */
	MODULE_RUNTIME,     /* libc, libstdc++: of interest where other native code called it */
};

struct module {
	uint64_t id;         /* in the file */
	uint64_t bias;       /* address in memory less address in the file */
	uint64_t start, end; /* of its mappings */
	string_id path;
	string_id build_id; /* its bytes; strings_len() is 0 when it has none */
	uint8_t flags;      /* PT_MODULE_ */
	uint8_t role;       /* enum module_role */
};

struct modules {
	ARRAY(struct module) at; /* by number */
	struct map by_id;
	uint32_t *first; /* by number, after modules_finish(): the first one that equals it in path and build id */
};

void modules_init(struct modules *m);
/* Takes in one definition. Returns false when it makes no sense. */
bool modules_add(struct modules *m, struct strings *strings, const struct pt_def *def);
void modules_finish(struct modules *m, const struct strings *strings);
void modules_free(struct modules *m);

/* The number by which nodes know the module `id` of the file; after modules_finish(). */
uint32_t modules_find(const struct modules *m, uint32_t id);

/* "libfoo.so.1": the path without folders. Borrowed. "" when there is no path. */
const char *modules_name(const struct modules *m, const struct strings *strings, uint32_t module);
