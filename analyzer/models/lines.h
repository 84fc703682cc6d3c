/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines: from a frame to file, line and column
 *
 * The code object's raw line table is in the trace; formats/linetable.h decodes it.
 */
#pragma once
#include "analyzer/read/defs.h"
#include "formats/linetable.h"

/* Where the instruction at `offset` lies, see pt_linetable_find(). */
struct pt_position lines_find(const struct code *c, uint32_t offset);

/* A frame for people. Texts are borrowed from the trace. */
struct site {
	const char *file;     /* "" when unknown */
	const char *function; /* qualified name; "?" when unknown */
	struct pt_position at;
};

/* Of a Python frame. An instruction without a line of its own counts to the first line of its function. Line 0: nothing
 * is known. */
struct site lines_site(const struct defs *d, node_id node);
