/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suspects: whose counts to watch in a second run, worst first
 *
 * What:  findings on references that were not given back, doubtful ones, and then whatever has more references than
 *        exist, though it may well be healthy: watching costs little and decides.
 * Form:  PYTRACE_WATCH's rules, one a line, "type:app.Foo site:app.py:12": both must hold. '#' starts a comment.
 * Who:   leaks and refs --suspects, refs --hunt.
 */
#pragma once
#include "analyzer/findings/list/finding_list.h"

enum { SUSPECTS_MAX = 60 /* more rules the tracer does not take */ };

struct suspect {
	char *rule, *why;
	uint64_t references; /* too many; or objects that nobody refers to */
	int rank;            /* 0: a finding, 1: undecided, 2: it has surplus */
};

struct suspects {
	ARRAY(struct suspect) at;
};

/* The traces were opened with REPORT_GROWTH and REPORT_REMAINS. suspects_free() it. */
void suspects_find(struct suspects *s, const struct report *r, const struct finding_list *findings);
void suspects_free(struct suspects *s);

/* Writes the file, which must not be there unless `force`. False after a message on stderr. */
bool suspects_write(const struct suspects *s, const struct report *r, const char *file, bool force);
