/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rewrite: a clean copy of a trace
 *
 * What:  the front page, every block that is sound as it is, what lay in rings packed into blocks, and a footer.
 *        What could not be kept is named in a META definition "repaired", one sentence a line, so that nobody takes
 *        the copy for whole; how the process ended stays as it was.
 * Who:   `pytrace repair`, which owns the file.
 */
#pragma once
#include "analyzer/read/trace.h"

struct rewrite_counts {
	uint64_t blocks_kept, blocks_made, blocks_dropped;
	uint64_t events, definitions;
	uint64_t bytes;
};

/* Called now and then with what is done of what there is to do, in bytes. */
typedef void rewrite_progress(void *self, uint64_t done, uint64_t total);

/* Writes the copy. False when `out` could not be written (errno says why). What is found to be damaged on the way
 * becomes a trouble of the trace. */
bool rewrite_trace(struct trace *t, FILE *out, struct rewrite_counts *ret, rewrite_progress *progress, void *self);
