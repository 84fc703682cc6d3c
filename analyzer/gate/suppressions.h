/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suppressions: findings that somebody has decided to live with, a line each
 *
 *     leak:PATTERN            function, file or module of any frame of the stack (LeakSanitizer's lines)
 *     type:PATTERN            the type of what leaks
 *     verdict:NAME PATTERN    findings with this verdict only, matched as leak: does; NAME alone: all of them
 *     # anything
 *
 * Who:   check. Read once, then asked for each finding; those that were never of use are named in the end.
 */
#pragma once
#include "analyzer/base/array.h"
#include "analyzer/base/fault.h"
#include "analyzer/findings/finding.h"

enum suppression_kind { SUPPRESSION_LEAK, SUPPRESSION_TYPE, SUPPRESSION_VERDICT };

struct suppression {
	enum suppression_kind kind;
	unsigned line;     /* in the file, from 1 */
	char *text;        /* the line, for reports */
	char *verdict;     /* of a verdict: line; else NULL */
	char *pattern;     /* "": any */
	uint64_t findings; /* that it was of use for */
};

struct suppressions {
	ARRAY(struct suppression) at;
};

/* Reads a file. A line that can't be understood is a fault with its number. Returns 0 or the fault's code. */
int suppressions_read(struct suppressions *s, const char *file, struct fault *ret_fault);
void suppressions_free(struct suppressions *s);

/* The first that matches, counted as used; NULL. */
const struct suppression *suppressions_find(struct suppressions *s, const struct finding *f);
