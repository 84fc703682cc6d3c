/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold: the rows of an account brought together by line, function, file, stack, layer, thread, task or type
 *
 * What:  sums over several traces and layers; only counted layers, unless one layer is asked for by name, so that no
 *        byte is in a sum twice.
 * Who:   sites, export, summary.
 */
#pragma once
#include "analyzer/report/report.h"
#include "analyzer/base/strings.h"

enum fold_metric { FOLD_LIVE, FOLD_PEAK, FOLD_TOTAL, FOLD_TEMPORARY, FOLD_METRICS };
enum fold_by { FOLD_LINE, FOLD_FUNCTION, FOLD_FILE, FOLD_STACK, FOLD_LAYER, FOLD_THREAD, FOLD_TASK, FOLD_TYPE };
enum fold_end { FOLD_END_RUN, FOLD_END_TRACE };

enum { FOLD_ALL_LAYERS = -1 };

struct fold_options {
	int metric;      /* enum fold_metric */
	int by;          /* enum fold_by */
	int layer;       /* enum pt_layer, or FOLD_ALL_LAYERS: the counted ones */
	int end;         /* enum fold_end: what "live" means */
	bool one_import; /* all that was made while a module was imported is one row (needs REPORT_GROWTH) */
	bool importers;  /* what the import machinery makes belongs to the frame that imports: for people */
};

/* Option rows for a command whose struct `type` holds a struct fold_options `member`. */
#define FOLD_METRIC_ROW(type, member)                                                                                \
	{                                                                                                            \
		'm', "metric", OPTION_CHOICE, offsetof(type, member.metric), "live|peak|total|temporary",            \
			"what is counted: alive at the end (live, the default), alive when memory use was highest, " \
			"everything ever made, or freed again at once"                                               \
	}
#define FOLD_LAYER_ROW(type, member)                                                                      \
	{                                                                                                 \
		'l', "layer", OPTION_CHOICE, offsetof(type, member.layer),                                \
			"mmap|malloc|raw|mem|object|arena|file|reserve",                                  \
			"only blocks of this layer; without it all that count as memory (the first five)" \
	}
#define FOLD_END_ROW(type, member)                                                                                \
	{                                                                                                         \
		0, "at-end-of", OPTION_CHOICE, offsetof(type, member.end), "run|trace",                           \
			"when 'live' is: before the interpreter takes itself down (run, the default), or at the " \
			"very last event"                                                                         \
	}

struct fold_row {
	uint32_t trace;      /* index in report.traces of its biggest part */
	node_id node;        /* the stack of its biggest part */
	node_id site;        /* of that stack; with `importers`, the frame that imports */
	uint64_t node_bytes; /* of that part */
	uint32_t thread;     /* ACCOUNT_MANY: several */
	uint32_t task;       /* likewise */
	uint32_t n_stacks;
	uint16_t layers;  /* bit per layer */
	bool imports;     /* the row of `one_import` */
	bool importing;   /* a part was made by the import machinery and belongs here only by `importers` */
	bool many_places; /* parts differ in their column, or in their address */
	bool many_threads, many_tasks;
	struct amount chosen; /* by the metric */
	struct amount live, peak, total, temporary;
	uint64_t reused;     /* objects made in blocks off a free list */
	string_id type;      /* by type: which, of fold.type_names; 0: none that is known */
	uint32_t first_type; /* the parts of its blocks by type: in fold.types; 0: none */
};

/* The part of a row that is of one type. */
struct fold_type {
	string_id type;
	struct amount chosen, live, total;
	uint64_t reused;
	uint32_t next; /* 0: the last one */
};

struct fold {
	ARRAY(struct fold_row) rows; /* most chosen bytes first; rows without any are left out */
	struct amount chosen;        /* the sum of all rows */
	struct strings type_names;
	ARRAY(struct fold_type) types; /* [0] is none; filled with REPORT_TYPES, but not by thread or task */
};

void fold_run(struct fold *f, struct report *r, const struct fold_options *options);
void fold_free(struct fold *f);

/* The site of a row, without what its parts differ in. */
struct place fold_place(struct report *r, const struct fold_row *row);

/* The type of most of a row's chosen bytes, if it is of half of them at least; "" else. */
const char *fold_main_type(const struct fold *f, const struct fold_row *row);

/* The words of the options' tables, for texts and JSON: "live", "line". */
extern const char *const fold_metric_names[FOLD_METRICS];
extern const char *const fold_by_names[];
