/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding: the groups of models/growth.h as reports show them, all traces together
 *
 * Who:   leaks, summary, run. Order: findings, undecided, held; in each the worst first.
 */
#pragma once
#include "analyzer/commands/report.h"

struct finding {
	struct report_trace *trace;
	const struct growth_group *group; /* borrowed from the trace */
};

struct finding_list {
	struct finding *at;
	size_t n, n_found, n_undecided;
};

void finding_list_init(struct finding_list *l, const struct report *r);
void finding_list_free(struct finding_list *l);

/* "growth", "undecided", "held". */
const char *finding_verdict(const struct finding *f);

/* One sentence on what the verdict rests on. Written into buf, which is returned. */
char *finding_why(const struct finding *f, char *buf, size_t cap);

/* Bytes by which it grows in a second, over the windows after the warm-up; 0 when it does not. */
double finding_rate(const struct finding *f);

/* The frame to look at first: the innermost of the user's own code. */
const struct place *finding_place(const struct finding *f);

/* The object of DESIGN 2.3. */
json_t *finding_json(struct report *r, const struct finding *f);

/* Prints a finding with its evidence, its line and its stack. */
void finding_print(struct report *r, const struct finding *f, size_t number);

/* A row: bytes, blocks, first, last, where, function. */
void finding_cells(struct report *r, const struct finding *f, struct table *t);
