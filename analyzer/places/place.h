/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: frames as reports show them, and which frame of a stack a report names
 *
 * What:  each frame of a trace with its short file name and who wrote it; a native frame may be several, when functions
 *        were inlined there. The site of a stack, the frame to blame; sites and stacks in JSON and as text.
 * Site:  the innermost frame that is somebody's to change: a Python frame, or a native one whose source line is known
 *        (debug information). Frames of Python itself and of the system's libraries are passed over, and source that
 *        came with a compiler or a package manager; when nothing else is there, it is the innermost with a name.
 * How:   a table beside the trace, filled when asked: decoding a line table and looking up symbols is dear, stacks
 *        share their frames.
 * Owner: the table owns its texts; they live until place_table_free(). The symbols must live as long.
 */
#pragma once
#include "analyzer/models/lines.h"
#include "analyzer/out/json.h"
#include "analyzer/out/output.h"
#include "analyzer/read/trace.h"
#include "analyzer/symbols/symbols.h"

/* Who wrote the code of a frame: what people look for first is their own. */
enum origin {
	ORIGIN_UNSEEN,
	ORIGIN_USER,
	ORIGIN_PACKAGE,
	ORIGIN_STDLIB,
	ORIGIN_IMPORT,
	ORIGIN_MODULE,   /* native code that may be the user's, but its source lines are not known */
	ORIGIN_LIBRARY,  /* native code that is nobody's to change here */
	ORIGIN_INTERNAL, /* of the interpreter, of an allocator */
	ORIGIN_NONE,     /* no frame */
};

struct place {
	const char *file;       /* as in the trace; "" when there is none */
	const char *short_file; /* without the folders that say nothing: "app/cache.py", "json/decoder.py" */
	const char *function;   /* qualified name; "?" when unknown; "<no python frame>" */
	struct pt_position at;
	enum origin origin;
	const char *module;      /* of a native frame: "libfoo.so", "_foo.so" (without its tag for Python); else NULL */
	const char *module_path; /* likewise */
	uint64_t address;        /* likewise: in the module's file; where the call returns to */
	bool inlined;            /* likewise: into the next one */
};

#define PLACE_MANY UINT64_MAX /* as an address: several */

/* The frames that a node shows as. */
struct place_row {
	struct place *at; /* innermost first; NULL: not looked up yet */
	json_t **json;    /* of each, made once: stacks share them. Private */
	uint32_t n;
	uint32_t best; /* the one that stands for all */
};

struct place_table {
	const struct trace *trace;
	struct symbols *symbols; /* borrowed; NULL: native frames have no names */
	const char *cwd;         /* of the traced process; "" when unknown */
	const char *sysroot;     /* below it lie the files of the machine that was traced; "": they are here */
	size_t cwd_len;
	struct place_row *rows;    /* by node */
	node_id *sites;            /* by node: its site + 1; 0: not looked up yet */
	uint8_t *modules;          /* by module: private */
	const char **module_names; /* by module */
	struct map native;         /* address in a module to an index in native_rows */
	ARRAY(struct place_row) native_rows;
	struct arena arena;
	ARRAY(json_t *) json; /* to be given back */
};

/* `symbols` and `sysroot` may be NULL. */
void place_table_init(struct place_table *t, const struct trace *trace, struct symbols *symbols, const char *sysroot);
void place_table_free(struct place_table *t);

/* The frame that stands for a node: of several functions inlined into each other the one that is somebody's to change,
 * else the outermost. */
const struct place *place_find(struct place_table *t, node_id node);
/* All of them, innermost first; at least one. */
const struct place *place_frames(struct place_table *t, node_id node, size_t *ret_n);

/* The site of a stack, a node of it; NODE_EMPTY when nothing is known. Equal for all stacks that differ in frames only
 * that are passed over. */
node_id place_site(struct place_table *t, node_id node);

/* The next site outwards from a site. */
node_id place_caller(struct place_table *t, node_id site);

/* The frame to look at first: the innermost of the user's own code, when it is near; else of a package; else the site.
 * What a module makes while it is imported is not its importer's: the search ends at the import. */
node_id place_blame(struct place_table *t, node_id node);

/* The site of a stack; when that is a frame of the import machinery, the one that imports. */
node_id place_importer(struct place_table *t, node_id node);

/* For growth/growth.h: a number for the function of a native frame that counts, the same over runs; else 0. */
uint64_t place_native_function(void *table, node_id node, bool alone);

/* ---- text and JSON: place_show.c ---- */

/* "app.py:12:8", "libfoo.so+0x1a2b": line and column count from 1, as editors do. Written into buf, which is returned.
 */
char *place_where(const struct place *p, bool full, char *buf, size_t cap);

/* The site of a stack without its column: "app.py:12"; "" for NODE_UNKNOWN. Written into buf, which is returned. */
char *place_site_where(struct place_table *t, node_id node, bool full, char *buf, size_t cap);

/* The function; unless `full`, without the parameters of C++. Written into buf, which is returned. */
char *place_function(const struct place *p, bool full, char *buf, size_t cap);

/* The native frame that did it for a Python site: of those below the innermost that says something (not operator new).
 * NODE_EMPTY when the site is where the stack begins, is native itself, or what lies below is part of Python. */
node_id place_below(struct place_table *t, node_id node);
/* Likewise, as place_json() has it, or null. */
json_t *place_below_json(struct place_table *t, node_id node);
/* "PyArray_New in _multiarray_umath.so". Written into buf, which is returned; NULL when there is none. */
char *place_below_text(struct place_table *t, node_id node, bool full, char *buf, size_t cap);

/* For a row: the function of a stack's site, and in what module below it did it: "load (in _umath.so)", `full` "load
 * (PyArray_New in _umath.so)". Written into buf, which is returned. */
char *place_function_below(struct place_table *t, node_id node, bool full, char *buf, size_t cap);

/* A file of the trace as this machine may find it: relative names start where the process started. */
char *place_path(const struct place_table *t, const struct place *p, char *buf, size_t cap);

/* The text of a place's line, as source_line() has it, or from a bundle beside the trace. place_source.c. */
bool place_source(const struct place_table *t, const struct place *p, char *buf, size_t cap, bool *ret_changed);

/* Sites and stacks of DESIGN 2.5. The column counts from 0 in bytes, as Python's own co_positions() does. Native frames
 * have no column, but `module` (its path) and `address` (text, hexadecimal: in the module's file). */
json_t *place_json(const struct place *p);
/* Of the site of a stack; null where the stack is not known. */
json_t *place_site_json(struct place_table *t, node_id node);
/* The same, if there is any: null where no frame was running. */
json_t *place_any_site_json(struct place_table *t, node_id node);
json_t *place_stack_json(struct place_table *t, node_id node);

/* Prints a stack, innermost frame first. Unless `full`, runs of frames that are not the user's are folded. */
void place_print_stack(struct place_table *t, node_id node, const struct output *o, unsigned indent, bool full);
