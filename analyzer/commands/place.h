/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: frames as reports show them
 *
 * What:  each frame of a trace with its short file name and who wrote it; the frame that a reader should look at
 *        first; sites and stacks in JSON.
 * How:   a table beside the trace, filled when asked: decoding a line table is dear, stacks share their frames.
 * Owner: the table owns its texts; they live until place_table_free().
 */
#pragma once
#include "analyzer/models/lines.h"
#include "analyzer/out/json.h"
#include "analyzer/out/output.h"
#include "analyzer/read/trace.h"

/* Who wrote the code of a frame: what people look for first is their own. */
enum origin { ORIGIN_UNSEEN, ORIGIN_USER, ORIGIN_PACKAGE, ORIGIN_STDLIB, ORIGIN_IMPORT, ORIGIN_NONE };

struct place {
	const char *file;       /* as in the trace; "" when there is none */
	const char *short_file; /* without the folders that say nothing: "app/cache.py", "json/decoder.py" */
	const char *function;   /* qualified name; "<no python frame>" */
	struct position at;
	enum origin origin;
};

struct place_table {
	const struct trace *trace;
	const char *cwd; /* of the traced process; "" when unknown */
	size_t cwd_len;
	struct place *places; /* by node */
};

void place_table_init(struct place_table *t, const struct trace *trace);
void place_table_free(struct place_table *t);

const struct place *place_find(struct place_table *t, node_id node);

/* The frame to look at first: the innermost of the user's own code, when it is near; else of a package; else `node`
 * itself. What a module makes while it is imported is not its importer's: the search ends at the import. */
node_id place_blame(struct place_table *t, node_id node);

/* For a frame of the import machinery, the one that imports; any other frame is its own. */
node_id place_importer(struct place_table *t, node_id node);

/* "app.py:12:8": line and column count from 1, as editors do. Written into buf, which is returned. */
char *place_where(const struct place *p, bool full, char *buf, size_t cap);

/* A file of the trace as this machine may find it: relative names start where the process started. */
char *place_path(const struct place_table *t, const struct place *p, char *buf, size_t cap);

/* Sites and stacks of DESIGN 2.5. The column counts from 0 in bytes, as Python's own co_positions() does. */
json_t *place_json(const struct place *p);
json_t *place_stack_json(struct place_table *t, node_id node);

/* Prints a stack, innermost frame first. Unless `full`, runs of frames that are not the user's are folded. */
void place_print_stack(struct place_table *t, node_id node, const struct output *o, unsigned indent, bool full);
