/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate: which findings fail a build, and which do not
 *
 * What:  a status for each finding: of a verdict that is not asked for, suppressed, known and not worse than the
 *        baseline has it, or new. New and worse ones fail, unless all of them together stay within the budget.
 * Who:   check. The writers (gate_text, gate_junit, gate_sarif, gate_github) show the same judgement in the shapes that
 *        people, continuous integration, code scanning and pull requests read.
 */
#pragma once
#include "analyzer/gate/baseline.h"
#include "analyzer/gate/suppressions.h"
#include "analyzer/findings/words/finding_words.h"

enum gate_status {
	GATE_NEW,   /* fails */
	GATE_WORSE, /* known, but it holds more than the baseline and the tolerance allow: fails */
	GATE_KNOWN, /* in the baseline, and not worse */
	GATE_SUPPRESSED,
	GATE_OTHER,  /* of a verdict that is not asked for */
	GATE_WITHIN, /* growth, and the budget per mark, which is kept, allows for it */
	GATE_STATUSES,
};

struct gate_item {
	const struct finding *finding;
	enum gate_status status;
	char fingerprint[64];
	uint64_t over_bytes;          /* what counts against the budget */
	const struct known *known;    /* NULL: not in the baseline, or nobody asked */
	const struct suppression *by; /* NULL: not suppressed */
};

enum { GATE_LINES = 5 };

/* What each mark of the program leaves behind. */
struct gate_marks {
	const struct report_trace *trace; /* the worst process; NULL: none has marks */
	double bytes;                     /* per mark, after the warm-up, of the whole process */
	uint64_t marks;                   /* over which that goes */
	struct gate_line {
		double bytes;
		const struct growth_group *group;
	} lines[GATE_LINES]; /* that grew most */
	size_t n_lines;
};

struct gate_rules {
	const char *verdicts; /* "growth,cycle-garbage"; NULL: all */
	uint64_t budget_bytes;
	bool by_mark;               /* growth is judged by ... */
	uint64_t mark_budget_bytes; /* ... what each mark may leave behind */
	uint64_t tolerance;         /* percent by which a known finding may exceed its baseline */
	struct suppressions suppressions;
	struct baseline baseline;
	bool has_baseline;
	bool accepts; /* what is new or worse goes into the baseline: nothing fails */
};

struct gate {
	struct gate_marks marks; /* with rules.by_mark */
	bool over_mark;          /* the budget per mark is exceeded */
	const struct gate_rules *rules;
	struct gate_item *items; /* one for each finding, in the list's order */
	size_t n;
	size_t by_status[GATE_STATUSES];
	uint64_t over_bytes; /* of all that are new or worse */
	size_t n_fixed;      /* in the baseline, and gone */
	bool fails;
	const struct finding_list *list;
	bool whole;      /* all traces are: what is not found is not there */
	char root[4096]; /* the repository's folder: gate_where.c */
};

/* Judges the findings of a list, which must outlive the gate. `rules` is borrowed; its suppressions count their use. */
void gate_judge(struct gate *g, struct gate_rules *rules, const struct report *r, const struct finding_list *list);
void gate_free(struct gate *g);

/* "new", "worse", "known", "suppressed", "other-verdict". */
const char *gate_status_name(enum gate_status status);
/* Whether the findings of this status make a build fail when they exceed the budget. */
bool gate_counts(enum gate_status status);
/* Whether `name` is one of the verdicts. */
bool gate_is_verdict(const char *name);

/* One sentence on why it fails, or why it passes although there are findings; written into buf, which is returned. */
char *gate_reason(const struct gate *g, char *buf, size_t cap);

/* What is still there, with the smaller of both amounts; with rules.accepts also what is new or worse, as it is. Rows
 * that this run says nothing about stay: of verdicts that are not asked for, suppressed, undecided, of damaged traces.
 */
struct baseline gate_next_baseline(const struct gate *g);

/* What a finding is called in a line: "growth: 13.6 MiB in 6,138 blocks in Pages.get". */
char *gate_title(const struct gate_item *item, char *buf, size_t cap);

/* Where a frame is for the reader of a repository; gate_where.c. */
struct gate_where {
	char path[4096]; /* relative to the repository's folder when it lies in it, else absolute */
	bool inside;
	const struct place *place;
};
/* Fills gate.root: the innermost folder around the current one that is a git repository, else what continuous
 * integration says (GITHUB_WORKSPACE, CI_PROJECT_DIR), else the current one. */
void gate_find_root(struct gate *g);
/* False: the frame has no file with lines. */
bool gate_where(const struct gate *g, const struct place_table *places, const struct place *p, struct gate_where *ret);
/* The line to annotate: the finding's, or when that is none of the repository's, the next outwards that is one; else
 * the finding's. False: nothing on the stack has a file. */
bool gate_line(const struct gate *g, const struct finding *f, struct gate_where *ret);

/* gate_marks.c: false: no trace has enough marks. */
bool gate_weigh_marks(struct gate_marks *m, const struct report *r);
/* "1,073 bytes per mark 'request', the budget is 1,000". Written into buf, which is returned. */
char *gate_marks_text(const struct gate_marks *m, uint64_t budget, char *buf, size_t cap);
/* The line that grew most, for annotations; likewise false. */
bool gate_marks_where(const struct gate *g, struct gate_where *ret);
void gate_marks_print(struct report *r, const struct gate_marks *m);
json_t *gate_marks_json(const struct gate_marks *m, uint64_t budget);

/* gate_text.c */
void gate_print(struct report *r, const struct gate *g);
/* The keys "verdict" and "reasons", and of each finding "status". gate_text.c. */
void gate_json(struct report *r, const struct gate *g, const struct finding_list *list);

/* JUnit XML (the shape that Jenkins, GitLab and GitHub's actions agree on). False: not written. gate_junit.c */
bool gate_junit(const struct gate *g, const struct report *r, FILE *f);
/* SARIF 2.1.0. False: not written. gate_sarif.c */
bool gate_sarif(const struct gate *g, FILE *f);
/* GitHub's workflow commands: an annotation on the line of each finding that fails. gate_github.c */
void gate_github(const struct gate *g, FILE *f);
