/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding: one leak as people should see it, or what may be one
 *
 * What:  a verdict, how much it is, the line to blame, the evidence, who holds it. What of it is on growth rests on
 * groups of growth/growth.h; the other kinds have a struct of their own in it. The same leak in several processes (the
 *        workers of a server) is one.
 * Who:   kinds/ and list/ make them, words/ says them, gate/ judges them. A finding is changed by nobody else.
 */
#pragma once
#include "analyzer/findings/holder.h"
#include "analyzer/views/remains.h"
#include "analyzer/report/report.h"

/* What of a finding is references that nobody has. */
enum lost_kind {
	LOST_NOTHING,
	LOST_OBJECTS, /* objects, each with more references than exist */
	LOST_SHARED,  /* one object, or a few, with more and more of them */
	LOST_NOBODY,  /* objects that nobody refers to and the collector does not know */
	LOST_BELOW,   /* held by such objects: part of their finding */
};
struct finding_lost {
	enum lost_kind kind;
	bool found;          /* that it grows is seen by the snapshots */
	bool waiting;        /* LOST_NOTHING: most of its blocks may be dead objects on free lists */
	bool dead;           /* LOST_NOTHING: most of its objects wait for the collector, which is on */
	unsigned piece;      /* ... and nearly all of them hang on one container, which went itself: its number; 0 */
	uint32_t leader;     /* LOST_BELOW: the group of growth that it belongs to */
	string_id type;      /* of remains->surplus.strings; 0: not known */
	string_id name;      /* LOST_SHARED: what people call it; 0 */
	uint64_t objects;    /* alive at the last snapshot */
	uint64_t unknown;    /* blocks that nobody in the heap refers to, and no object of the snapshot lies in */
	uint64_t references; /* too many */
	uint64_t grown;      /* of them, from snapshot to snapshot; 0: not known */
	struct surplus_point at[SURPLUS_SNAPSHOTS];
};

/* What of a finding is native blocks to which no pointer leads. */
struct finding_native {
	bool is;
	struct amount direct, indirect; /* indirect: only other lost ones lead to it */
	struct amount beside;           /* of the same stacks: something that looks like a pointer leads to these few */
	uint64_t given_back;            /* looked lost at some snapshot, and was given back after all */
	uint64_t threads;               /* of the program then */
	unsigned n;
	struct amount at[UNREACHED_SNAPSHOTS]; /* direct ones, by snapshot */
};

/* Native memory that holds what grows. */
struct finding_keeper {
	uint64_t kind;          /* as of kept_kind(); 0: there is none */
	node_id node;           /* the stack that made it; NODE_UNKNOWN: it is data of a file */
	const char *file;       /* that file; NULL; borrowed of the heap */
	uint64_t blocks, bytes; /* of that stack, with words that are addresses of objects */
	uint64_t words;         /* of these, how many */
};

struct finding {
	struct report_trace *trace; /* of several processes with this finding, the one where it is worst */
	struct growth_group
		sum;   /* verdict and doubt of the worst group; amounts and evidence of all; `node` in the worst line */
	node_id blame; /* the frame to look at first: the innermost of the user's own code */
	uint32_t *groups; /* indexes in trace->growth.groups */
	size_t n_groups;
	uint32_t *pids; /* of all processes that have it, the worst first */
	size_t n_pids;
	uint64_t own_bytes; /* before it took in what has no evidence; private to finding_doubts.c */
	struct amount all;  /* alive at the end in all of them */
	double all_rate;    /* bytes in a second, in all of them */

	/* of garbage that stays */
	const struct cycle_shown *cycle; /* the row that holds most; NULL: the verdict is on growth */
	enum remains_reason reason;
	uint64_t cycles, cycle_objects;
	struct finding_part *own_parts; /* NULL: by its groups */
	size_t n_own_parts;

	struct finding_lost lost;
	struct finding_native native;

	const struct fragments_pin *pin; /* what keeps free memory from going back; NULL: the verdict is another */

	/* of growth */
	bool has_holder;
	struct holder holder;
	struct finding_keeper keeper; /* where C code holds it, or what it hangs on */
	node_id added;      /* the frame of the user's that adds to it; NODE_UNKNOWN or NODE_EMPTY: not known */
	node_id added_node; /* the stack of it */
};

/* What of a finding was made on one line of the user's code. */
struct finding_part {
	const struct place *place;
	node_id node; /* the stack of it that holds most */
	uint64_t node_bytes;
	struct amount live;
};

/* ---- what is known of it ---- */

/* "growth", "reference-leak", "cycle-garbage", "cycle-uncollectable", "native-unreachable", "fragmentation",
 * "undecided", "held". */
const char *finding_verdict(const struct finding *f);

/* Whether it is of blocks of its own, not of groups of growth. */
static inline bool finding_is_own(const struct finding *f) { return f->cycle || f->native.is || f->pin; }

/* Whether the verdict, if there is one, is on growth. */
static inline bool finding_is_growth(const struct finding *f) { return !finding_is_own(f) && !f->lost.kind; }

/* The frame to blame; the site of its worst stack. */
const struct place *finding_place(const struct finding *f);
const struct place *finding_site(const struct finding *f);
/* The line that made most of its blocks. */
const struct place *finding_maker(const struct finding *f);
/* The line that adds to the holder of growth; NULL: not known. */
const struct place *finding_adder(const struct finding *f);
/* Whether that is the one to blame. */
static inline bool finding_blames_adder(const struct finding *f)
{
	return f->added > NODE_UNKNOWN && f->blame == f->added;
}

/* Bytes by which it grows in a second, over the windows after the warm-up; 0 when it does not. */
double finding_rate(const struct finding *f);

bool finding_is_in(const struct finding *f, uint32_t pid);

/* Its type, as a dotted name: of a cycle's first member that has a line; of growth the one of most bytes of the largest
 * stack. Written into buf; false: not known. */
bool finding_type(const struct finding *f, char *buf, size_t cap);

/* How much it is, for people: "2.5 MiB", "10,000 references". Written into buf, which is returned. */
char *finding_amount(const struct finding *f, char *buf, size_t cap);
/* What it is of, to stand behind that: "in 6,138 blocks", "kept by 12 blocks", "on 1 object of type app.Foo". */
char *finding_extent(const struct finding *f, char *buf, size_t cap);

/* Stable across runs, machines and edits elsewhere: the verdict and a number made of the innermost functions of the
 * user's code. finding_fingerprint.c. */
char *finding_fingerprint(const struct finding *f, char *buf, size_t cap);
/* The length of the part that is the same on all versions of Python, and for stripped libraries. */
size_t finding_stem(const char *fingerprint);

/* ---- its stacks and lines ---- */

/* The curves of its groups: indexes in trace->curves.curves, in their order; *ret_n of them. free() it. */
uint32_t *finding_curves(const struct finding *f, size_t *ret_n);

/* The parts of a finding, most bytes first. free() them. */
struct finding_part *finding_parts(const struct finding *f, size_t *ret_n);
/* Adds to the part of this line. */
void finding_add_part(struct finding_part **parts, size_t *n, const struct place *place, node_id node,
		      const struct amount *live);

/* ---- who holds it: finding_keeper.c; objects: holder.h ---- */

/* Looks for native memory that holds what these stacks made (`mine`: by node): f->keeper. True: it holds most of it,
 * and no object does. */
bool finding_keeper_find(struct finding *f, const bool *mine);
/* Gives the objects that it holds this number, those that have none yet. */
void finding_keeper_label(const struct finding *f, uint8_t number, uint8_t *label);
/* "a block of 24 KiB, made at _table.c:12 in add", "data of _table.so". Written into buf, which is returned. */
char *finding_keeper_text(const struct finding *f, bool full, char *buf, size_t cap);
json_t *finding_keeper_json(const struct finding *f);

/* ---- for those who make findings ---- */

/* Frees what a finding has beside itself. */
void finding_free_parts(struct finding *f);
/* Adds the groups of one to another. */
void finding_take_groups(struct finding *leader, const struct finding *f);
