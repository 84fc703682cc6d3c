/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline: the findings that a project knows of, in a small file fit for its repository
 *
 *     {"schema": "pytrace.baseline/1",
 *      "findings": [{"fingerprint": "growth-0123…", "bytes": 4096, "blocks": 64, "where": "app.py in serve"}]}
 *
 * A ratchet: what is known passes while it does not get worse; written anew, the file has what is still there, with the
 * smaller of both amounts, so that it can only shrink. `blocks` are references where a leak is of those. Sorted by
 * fingerprint, one finding a line: diffs are readable, and merges mostly free of conflicts.
 */
#pragma once
#include "analyzer/base/array.h"
#include "analyzer/base/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct known {
	char *fingerprint;
	char *where; /* for people */
	uint64_t bytes, blocks;
};

struct baseline {
	ARRAY(struct known) at; /* sorted by fingerprint, each once */
};

/* Reads a file. Returns 0 or the fault's code; with *ret_absent set when there is no such file, which is no fault. */
int baseline_read(struct baseline *b, const char *file, bool *ret_absent, struct fault *ret_fault);
void baseline_free(struct baseline *b);

/* NULL: not known. Valid until the next baseline_put(). */
struct known *baseline_find(const struct baseline *b, const char *fingerprint);

/* The rows whose fingerprints begin with these `len` bytes: the first one, and how many follow each other. */
const struct known *baseline_rows(const struct baseline *b, const char *fingerprint, size_t len, size_t *ret_n);

/* Adds a finding, or to the amounts of one that is there. Copies the texts. */
void baseline_put(struct baseline *b, const char *fingerprint, const char *where, uint64_t bytes, uint64_t blocks);

/* False: out of memory, or not written. */
bool baseline_write(const struct baseline *b, FILE *f);
