/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refs_report: what `pytrace refs` knows of one trace
 *
 * What:  watched objects have a history; of the others those that are asked for have the points that snapshots show.
 * Who:   refs_listen() before the replay, refs_settle() after it; then whoever prints: refs_show.c and refs_json.c all
 *        of it, refs_hunt.c the lines that are to blame.
 */
#pragma once
#include "analyzer/counts/balance.h"
#include "analyzer/counts/net.h"
#include "analyzer/counts/points.h"
#include "analyzer/places/owner_places.h"
#include "analyzer/places/target.h"
#include "analyzer/views/view.h"
#include "analyzer/report/report.h"

#define REFS_NOT_SET UINT64_MAX
enum { REFS_HOLDERS = 3 /* chains of one object */ };

struct refs_options {
	bool raw, tree, surplus, hunt;
	const char *type, *site, *address, *suspects;
	uint64_t object, limit;
};

/* How the story of a watched object ends. The order is that in which they are shown. */
enum refs_end {
	REFS_ALIVE,    /* it is alive at the end */
	REFS_WRONG,    /* it died, and its count was not 0 */
	REFS_LOST,     /* the means was taken away */
	REFS_IMMORTAL, /* it became so */
	REFS_MOVED,    /* its block was moved by a realloc */
	REFS_ROTATED,  /* its place was given to another object */
	REFS_DIED,     /* with a count of 0 */
	REFS_ENDS,
};

/* An object to be shown. */
struct refs_object {
	const struct history *history; /* NULL: it was not watched ... */
	const struct points_object *points;
	enum refs_end end;
	const char *type;  /* "?": not known */
	node_id node;      /* where it was made; NODE_UNKNOWN, NODE_EMPTY */
	uint64_t born_ns;  /* UINT64_MAX: not known */
	uint64_t died_ns;  /* UINT64_MAX: it did not, or nobody knows */
	node_id died_node; /* where; NODE_EMPTY */
	bool blamed;       /* it is out of balance, and the example of a line that is to blame */
	object_id at_end;  /* in the snapshot of the view; HEAP_NONE */
};

/* Watched objects of one type. */
struct refs_type {
	const char *name;
	uint64_t n, changes, by_end[REFS_ENDS];
	int64_t references; /* the counts of those that are alive, together */
};

struct refs_report {
	const struct refs_options *own;
	struct report_trace *t;
	struct target target;
	bool selects; /* by --type, --site or --address */
	struct histories histories;
	struct net_lines lines;
	struct points points;
	struct view view;
	bool has_points, has_view, settled;
	ARRAY(struct refs_object) objects; /* those asked for, in the order in which they are shown */
	char suspect[1000]; /* the rule that watches the worst suspect of a trace without watches; "": none is known */
	ARRAY(struct refs_type) types; /* of them that were watched, most changes first */
	struct owner_names names;
	struct owners owners;
	struct balance balance; /* who takes and does not give back, and the reverse */
};

/* Of a trace that is about to be replayed; freed with refs_free(). `own` stays the caller's and must outlive it.
 * `heap`: with the last snapshot. */
struct refs_report *refs_new(const struct refs_options *own, struct report_trace *t, bool heap);
void refs_free(struct refs_report *x);

#define REFS_MODELS 3
/* The models that must hear of the replay. Returns how many. */
size_t refs_listen(struct refs_report *x, struct model *ret[REFS_MODELS]);

/* After it: which objects are shown, in which order, and who is to blame. */
void refs_settle(struct refs_report *x);

/* "breakpoints of the processor", "pages of their own": META watch.means for people. */
const char *refs_means(const struct refs_report *x);

/* Who holds an object at the end: expressions as Python would write them. Returns how many; free() each. */
unsigned refs_holders(struct refs_report *x, const struct refs_object *o, char *ret[REFS_HOLDERS]);
