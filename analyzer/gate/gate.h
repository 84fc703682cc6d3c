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

enum gate_status {
	GATE_NEW,   /* fails */
	GATE_WORSE, /* known, but it holds more than the baseline and the tolerance allow: fails */
	GATE_KNOWN, /* in the baseline, and not worse */
	GATE_SUPPRESSED,
	GATE_OTHER, /* of a verdict that is not asked for */
	GATE_STATUSES,
};

struct gate_item {
	const struct finding *finding;
	enum gate_status status;
	char fingerprint[64];
	uint64_t over_bytes;          /* what counts against the budget */
	const struct known *known;    /* NULL: not in the baseline */
	const struct suppression *by; /* NULL: not suppressed */
};

struct gate_rules {
	const char *verdicts; /* "growth,cycle-garbage"; NULL: all */
	uint64_t budget_bytes;
	uint64_t tolerance; /* percent by which a known finding may exceed its baseline */
	struct suppressions suppressions;
	struct baseline baseline;
	bool has_baseline;
	bool accepts; /* what is new or worse goes into the baseline: nothing fails */
};

struct gate {
	const struct gate_rules *rules;
	struct gate_item *items; /* one for each finding, in the list's order */
	size_t n;
	size_t by_status[GATE_STATUSES];
	uint64_t over_bytes; /* of all that are new or worse */
	size_t n_fixed;      /* in the baseline, and gone */
	bool fails;
};

/* Judges the findings of a list, which must outlive the gate. `rules` is borrowed; its suppressions count their use. */
void gate_judge(struct gate *g, struct gate_rules *rules, const struct finding_list *list);
void gate_free(struct gate *g);

/* "new", "worse", "known", "suppressed", "other-verdict". */
const char *gate_status_name(enum gate_status status);
/* Whether the findings of this status make a build fail when they exceed the budget. */
bool gate_counts(enum gate_status status);
/* Whether `name` is one of the verdicts. */
bool gate_is_verdict(const char *name);

/* One sentence on why it fails, or why it passes although there are findings; written into buf, which is returned. */
char *gate_reason(const struct gate *g, char *buf, size_t cap);

/* What is still there, with the smaller of both amounts; with rules.accepts also what is new or worse, as it is. */
struct baseline gate_next_baseline(const struct gate *g);

/* What a finding is called in a line: "growth: 13.6 MiB in 6,138 blocks in Pages.get". */
char *gate_title(const struct gate_item *item, char *buf, size_t cap);
/* The file of a finding's line, for a repository's reader: relative to the folder where that is (GITHUB_WORKSPACE, else
 * the current one), when it lies in it; NULL: no file is known. `buf` may be used for it. */
const char *gate_file(const struct gate_item *item, char *buf, size_t cap);
/* The same of any frame of a finding that has a file. */
const char *gate_path(const struct finding *f, const struct place *p, char *buf, size_t cap);

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
