/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding: the groups of growth/growth.h as people should see them, all traces together
 *
 * What:  groups that one function of the user's own code made are one finding, whatever library functions did the
 *        work for it; what grows beside in step with it (the keys of a cache whose values are the leak) joins it. The
 *        lines are kept as parts.
 *        The same finding in several processes (the workers of a server) is one.
 * Who:   leaks, summary, run. Text and JSON: finding_show.c. Order: findings, undecided, held; in each the worst first.
 * Held groups stay apart.
 */
#pragma once
#include "analyzer/findings/holder.h"
#include "analyzer/views/remains.h"
#include "analyzer/report/report.h"

struct finding_part;

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

struct finding_list {
	struct finding *at;
	size_t n, n_found, n_undecided;
};

void finding_list_init(struct finding_list *l, const struct report *r);
void finding_list_free(struct finding_list *l);

/* What was alive when the programs ended, all together; what exit handlers gave back after it is in it. */
struct amount finding_alive(const struct report *r);
/* Into `o`: that as live_bytes, what was left when the interpreters ended, and peak_bytes. */
void finding_put_alive(const struct report *r, json_t *o);

/* What keeps "no finding" from meaning much: "the run is too short to show growth". NULL: nothing. */
const char *finding_reservation(const struct report *r);

/* Looks for native memory that holds what these stacks made (`mine`: by node): f->keeper. True: it holds most of it,
 * and no object does. finding_keeper.c. */
bool finding_keeper_find(struct finding *f, const bool *mine);
/* Gives the objects that it holds this number, those that have none yet. */
void finding_keeper_label(const struct finding *f, uint8_t number, uint8_t *label);
/* "a block of 24 KiB, made at _table.c:12 in add", "data of _table.so". Written into buf, which is returned. */
char *finding_keeper_text(const struct finding *f, bool full, char *buf, size_t cap);
json_t *finding_keeper_json(const struct finding *f);

/* Brings together what one container holds, and blames the line that adds to it. After the holders were looked for.
 * finding_held.c. */
void finding_join_held(struct finding_list *l, const struct report *r);
/* Shows the stack of the line that grew most after the warm-up, and blames it. finding_held.c. */
void finding_look_at_worst(struct finding *f);
/* Private: frees what a finding has beside itself; adds the groups of one to another. */
void finding_free_parts(struct finding *f);
void finding_take_groups(struct finding *leader, const struct finding *f);
/* The line that made most of a finding's blocks. */
const struct place *finding_maker(const struct finding *f);
/* The line that adds to the holder of growth; NULL: not known. */
const struct place *finding_adder(const struct finding *f);
/* Whether that is the one to blame. */
static inline bool finding_blames_adder(const struct finding *f)
{
	return f->added > NODE_UNKNOWN && f->blame == f->added;
}

/* The parts of a finding, most bytes first. free() them. */
struct finding_part *finding_parts(const struct finding *f, size_t *ret_n);

/* Adds to the part of this line. */
void finding_add_part(struct finding_part **parts, size_t *n, const struct place *place, node_id node,
		      const struct amount *live);

/* Makes the findings on garbage of one trace: at most as many as there are rows of cycles, pushed to ret[0..*n). Fills
 * t->remains->claimed. finding_cycles.c. */
void finding_cycles(struct report_trace *t, struct finding *ret, size_t *n);

/* Makes the findings on native blocks that nobody can reach: at most finding_native_most() of them, pushed to
 * ret[0..*n). Before finding_cycles(). finding_native.c. */
void finding_native(struct report_trace *t, struct finding *ret, size_t *n);
size_t finding_native_most(const struct report_trace *t);
/* What of the native memory was not searched for lost blocks, a sentence; NULL: all of it was, or there is no snapshot.
 * `state`: by its name. */
const char *finding_native_reservation(const struct report_trace *t);
const char *finding_native_state(const struct report_trace *t);
/* For finding_show.c. */
char *finding_native_why(const struct finding *f, char *buf, size_t cap);
void finding_native_print(const struct output *o, const struct finding *f);
json_t *finding_native_json(const struct finding *f);

/* Judges the groups of growth of one trace: by group, to be freed; NULL when there is no snapshot. finding_lost.c. */
struct finding_lost *finding_lost_judge(struct report_trace *t);
/* Makes the findings on objects whose surplus grows while they are few: at most one for each group of the surplus
 * model, pushed to ret[0..*n). `judged`: what finding_lost_judge() said. */
void finding_lost_shared(struct report_trace *t, const struct finding_lost *judged, struct finding *ret, size_t *n);
/* The line that proves it in a second run: "PYTRACE_WATCH='type:app.Foo site:app.py:12'"; "" when the finding is not on
 * references, or nothing is known of the objects. Written into buf, which is returned. */
char *finding_watch(const struct finding *f, char *buf, size_t cap);
/* The rule for objects of a type made by a stack; either may be unknown ("", NODE_UNKNOWN). "" when both are, or the
 * type is one that all programs are full of. Written into buf, which is returned. */
char *finding_rule_of(struct report_trace *t, const char *type, node_id node, char *buf, size_t cap);
/* The rule alone: "type:app.Foo site:app.py:12". */
char *finding_rule(const struct finding *f, char *buf, size_t cap);
/* One sentence on the references, for finding_why(). */
char *finding_lost_why(const struct finding *f, char *buf, size_t cap);
json_t *finding_lost_json(const struct finding *f);

/* Makes the findings on free memory that does not go back: at most as many as t->fragments has pins, pushed to
 * ret[0..*n). Growth must have been judged. finding_fragments.c. */
void finding_fragments(struct report_trace *t, struct finding *ret, size_t *n);
/* One sentence, for finding_why(). Written into buf, which is returned. */
char *finding_fragments_why(const struct finding *f, char *buf, size_t cap);
const char *finding_fragments_decides(void);
/* Its evidence. */
json_t *finding_fragments_json(const struct finding *f);

/* What allocators keep free by themselves, where it is much: a sentence for each, or nothing; and [{pid, kind, bytes,
 * remedy}]. */
void finding_print_retained(struct report *r);
json_t *finding_retained_json(const struct report *r);

/* How much it is, for people: "2.5 MiB", "10,000 references". Written into buf, which is returned. */
char *finding_amount(const struct finding *f, char *buf, size_t cap);
/* What it is of, to stand behind that: "in 6,138 blocks", "kept by 12 blocks", "on 1 object of type app.Foo". */
char *finding_extent(const struct finding *f, char *buf, size_t cap);

/* "growth", "reference-leak", "cycle-garbage", "cycle-uncollectable",
 * "native-unreachable", "fragmentation", "undecided", "held". */
const char *finding_verdict(const struct finding *f);

/* One sentence on what the verdict rests on. Written into buf, which is returned. */
char *finding_why(const struct finding *f, char *buf, size_t cap);

/* Its type, as a dotted name, written into buf; false: not known. */
bool finding_type(const struct finding *f, char *buf, size_t cap);

/* Stable across runs, machines and edits elsewhere: the verdict and a number made of the innermost functions of the
 * user's code. finding_fingerprint.c. */
char *finding_fingerprint(const struct finding *f, char *buf, size_t cap);
/* The length of the part that is the same on all versions of Python, and for stripped libraries. */
size_t finding_stem(const char *fingerprint);

/* Bytes by which it grows in a second, over the windows after the warm-up; 0 when it does not. */
double finding_rate(const struct finding *f);

/* Whether it is of blocks of its own, not of groups of growth. */
static inline bool finding_is_own(const struct finding *f) { return f->cycle || f->native.is || f->pin; }

/* Whether the verdict, if there is one, is on growth. */
static inline bool finding_is_growth(const struct finding *f) { return !finding_is_own(f) && !f->lost.kind; }

const struct place *finding_place(const struct finding *f);

bool finding_is_in(const struct finding *f, uint32_t pid);

/* The object of DESIGN 2.3. */
json_t *finding_json(const struct finding *f);

/* Prints a finding with its evidence, its line and its stack. */
void finding_print(struct report *r, const struct finding *f, size_t number);

/* Prints where: the frame to look at with the text of its line, and the frame that did it, when that is another. */
void finding_print_place(const struct output *o, const struct finding *f, bool full, unsigned indent);

/* Prints ", pid 71 72". */
void finding_print_pids(const struct output *o, const struct finding *f);

/* A row: bytes, blocks, first, last, where, function. */
void finding_cells(struct report *r, const struct finding *f, struct table *t);

/* Doubts on growth, which look at a whole finding (finding_doubts.c): what it was before and is after it took in what
 * has no evidence of its own; and once its holder is known. */
void finding_doubts_note(struct finding_list *l);
void finding_doubts_judge(struct finding_list *l);
void finding_doubts_holder(struct finding_list *l);
