/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defs: what the numbers in events stand for: code objects, stacks, facts on the process
 *
 * What:  all definitions of a trace, loaded before the first event. Equal stacks are one node, so that a stack has one
 *        number here however many ids the tracer gave it; Python and native frames are in one chain (read/stacks.h).
 * Trust: ids, lengths and parents come from the file: unknown parents become NODE_UNKNOWN, loops are cut, numbers out
 *        of reason are dropped and counted.
 * Owner: the trace. Read-only after trace_open(), so any thread may look.
 */
#pragma once
#include <stdbool.h>
#include "formats/event.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/strings.h"
#include "analyzer/read/modules.h"
#include "analyzer/read/stacks.h"
#include "analyzer/read/tasks.h"
#include "analyzer/read/typedefs.h"

struct code {
	uint64_t id; /* in the file */
	string_id file, name;
	uint32_t first_line;
	uint8_t linetable;    /* enum pt_linetable */
	uint32_t table_bytes; /* of the whole line table */
	uint32_t table_got;   /* less when a part of it is missing */
	uint32_t table_cap;
	uint8_t *table;
};
enum { CODE_UNKNOWN = 0 }; /* index of the code object whose definition is missing */

struct meta {
	string_id key;
	string_id value; /* may hold zeros between items (argv) */
};

struct defs {
	struct strings strings;
	struct arena arena;
	ARRAY(struct code) codes;
	struct modules modules;
	struct stacks stacks;
	ARRAY(struct meta) metas; /* in the order of the file; the last one of a key holds */
	struct map marks;         /* STRING id to string_id */
	struct map thread_names;  /* thread number to string_id */
	struct tasks tasks;
	struct typedefs types;
	uint8_t shapes[256];    /* from the file's own schema */
	bool knows[256];        /* the file means by this op what we mean */
	uint64_t n_loaded;      /* definitions read, repetitions included */
	uint64_t n_bad;         /* definitions that made no sense */
	struct defs_work *work; /* while loading */
};

/* The node of an event's stack id. */
static inline node_id defs_node(const struct defs *d, uint32_t stack)
{
	return stack < d->stacks.n ? d->stacks.node_of[stack] : NODE_UNKNOWN;
}

/* The frame that a node stands for. */
static inline const struct node *defs_frame(const struct defs *d, node_id node) { return &d->stacks.nodes.at[node]; }

/* The value of a META key; NULL when the file has none. Length in *ret_len when not NULL. */
const char *defs_meta(const struct defs *d, const char *key, size_t *ret_len);
/* Whether the value of a META key says yes. */
bool defs_meta_is_true(const struct defs *d, const char *key);
/* The text of a STRING definition (marks); NULL when there is none. */
const char *defs_string(const struct defs *d, uint64_t id);
/* The name of a type, by its index in .types; "?": it is not known. */
const char *defs_type_name(const struct defs *d, uint32_t type);
/* The name given to a thread, by its number in the file; 0 when it has none. */
string_id defs_thread_name(const struct defs *d, uint32_t thread);

/* ---- for the reader ---- */
void defs_init(struct defs *d);
/* Takes in one definition. Call for all, in any order, then defs_finish() once. */
void defs_add(struct defs *d, const struct pt_def *def);
void defs_finish(struct defs *d);
void defs_free(struct defs *d);
