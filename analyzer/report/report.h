/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: what every command does before and after its own work
 *
 * What:  parses the line, opens and replays the traces with a progress bar, opens the output, prints what is missing
 *        on top, and turns how it went into an exit code.
 * How:   a command calls report_begin(), prints into r.out.file or fills r.json, and returns report_end().
 * Many:  several traces are a process tree: sorted by the time they started. One that can't be read gets its line on
 *        stderr and the exit code 3, the others their report.
 */
#pragma once
#include "analyzer/report/command.h"
#include "analyzer/report/moments.h"
#include "analyzer/places/place.h"
#include "analyzer/report/recorded.h"
#include "analyzer/models/account.h"
#include "analyzer/memory/fragments.h"
#include "analyzer/growth/growth.h"
#include "analyzer/models/types.h"
#include "analyzer/out/format.h"
#include "analyzer/out/json.h"
#include "analyzer/out/output.h"
#include "analyzer/out/table.h"

/* What a report needs of its traces, beyond their headers and definitions. */
enum {
	REPORT_ACCOUNT = 1 << 0,   /* .account */
	REPORT_GROWTH = 1 << 1,    /* .account and .growth */
	REPORT_THREADS = 1 << 2,   /* rows of .account are split by thread */
	REPORT_TASKS = 1 << 3,     /* rows of .account are split by task */
	REPORT_RAW = 1 << 4,       /* definitions of stacks as they stand in the file */
	REPORT_TYPES = 1 << 5,     /* .account and .types; loads the last snapshot */
	REPORT_MOMENTS = 1 << 7,   /* .account and .moments */
	REPORT_FRAGMENTS = 1 << 8, /* .account and .fragments, by lines to blame */
	REPORT_REMAINS = 1 << 6,   /* .account and .remains; loads the last snapshot that is of no collection */
};

struct remains;

struct report_trace {
	struct trace trace;
	struct account account;
	struct spans spans; /* with .account */
	struct curves curves;
	struct growth growth;
	struct types types;
	struct moments moments;
	struct fragments fragments;
	struct remains *remains; /* NULL: not asked for */
	struct symbols *symbols; /* of its native frames */
	struct place_table places;
	unsigned has; /* REPORT_*: which of them are there */
	void *own;    /* what the command's listener keeps of it; the command frees it */
};

/* A command's own listeners to the replay of each trace. Set between report_parse() and report_open(). */
struct report_listener {
	/* Called when a trace is open and not yet replayed: puts at most `cap` models into `models`, returns how many.
	 * They must live until the replay is over. */
	size_t (*listen)(void *self, struct report_trace *t, struct model **models, size_t cap);
	void *self;
};

struct report {
	const struct command *command;
	struct options_common common;
	struct report_listener listener; /* .listen NULL: none */
	struct report_trace **traces;
	size_t n_traces;
	struct output out;
	json_t *json;    /* with --json: the document, "schema" and "trace" in it; else NULL */
	bool unreadable; /* one of the traces could not be read */
};

enum { REPORT_GO = -1 }; /* no exit code */

/* ---- a report, from its line to its end: report.c ---- */

/* Parses the line into *own and opens everything. Returns REPORT_GO or the exit code; then nothing is to be ended. */
int report_begin(struct report *r, const struct command *command, void *own, unsigned needs, int argc, char **argv);

/* As report_begin(), for commands whose needs depend on their options: first the line, then the traces. */
int report_parse(struct report *r, const struct command *command, void *own, int argc, char **argv);
int report_open(struct report *r, unsigned needs);

/* --top of commands whose default depends on what is written: an option that was not given becomes `text` or `json`
 * rows. To be called after report_parse(). 0: all. */
#define REPORT_TOP_NOT_SET UINT64_MAX
void report_default_top(const struct report *r, uint64_t *top, uint64_t text, uint64_t json);

/* Writes the document or flushes the text, frees all. Returns the exit code. */
int report_end(struct report *r);

/* Into the document: what `put` says of a process. The keys of DESIGN 2.5 are those of the first process; "processes"
 * has them all. `options` is handed on, as below. */
void report_put_processes(struct report *r, void (*put)(json_t *o, const struct report_trace *t, const void *options),
			  const void *options);

/* As text: what `print` says of each process, an empty line between them. */
void report_print_processes(struct report *r,
			    void (*print)(struct report *r, const struct report_trace *t, const void *options),
			    const void *options);

/* Puts what --region and --mark limit the document to: `region`, `mark`, null or {label, times}. */
void report_scope_json(struct report *r);

/* Into `o`: live_bytes and peak_bytes, of all processes together. */
void report_put_alive(const struct report *r, json_t *o);

/* ---- one trace: report_trace.c ---- */

/* Opens and replays one trace. `listener` may be NULL. NULL after filling the fault. */
struct report_trace *report_load(const char *file, unsigned needs, const struct options_common *common,
				 const struct report_listener *listener, struct fault *ret_fault);
void report_unload(struct report_trace *t);

/* Calls `each` for every sentence that says what is missing in a trace. */
void report_missing(const struct report_trace *t, void (*each)(const char *sentence, void *arg), void *arg);

/* The "trace" list of DESIGN 2.5: {file, pid, complete, lost_events, program, missing}. */
json_t *report_trace_list(struct report_trace *const traces[], size_t n);

/* ---- what all say in the same words: report_words.c. Texts are written into buf, which is returned ---- */

/* "app.py, pid 71, CPython 3.11.2, 12.3 s, exit status 0" and below it what is missing. */
void report_heading(struct report *r, const struct report_trace *t);

/* "exit status 0", "killed by signal 9": how the process ended, for people. */
char *report_ended(const struct report_trace *t, char *buf, size_t cap);

/* "main", "worker-1 (tid 81)". */
char *report_thread(const struct report_trace *t, uint32_t thread, char *buf, size_t cap);

/* An index in trace.defs.tasks, or ACCOUNT_MANY, for people: "worker-1 (handle)", "fetch (1,234 tasks)". */
char *report_task(const struct report_trace *t, uint32_t task, char *buf, size_t cap);
/* {kind, name, function, tasks}; null when no task ran, or several did. */
json_t *report_task_json(const struct report_trace *t, uint32_t task);

/* The allocator behind the hooks: "libc", "jemalloc". Borrowed. */
const char *report_allocator(const struct trace *t);

/* "object, raw" from a set of layers. */
char *report_layers(unsigned layers, char *buf, size_t cap);
json_t *report_layers_json(unsigned layers);
