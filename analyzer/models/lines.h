/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines: from an instruction's offset to file, line and column
 *
 * Decodes the raw line tables of CPython: lnotab (up to 3.9), linetable (3.10), location table (3.11 and later). An
 * offset is counted in bytes of bytecode in all versions. Columns are offsets in bytes of the UTF-8 source line, from
 * 0, and only 3.11 and later have them.
 */
#pragma once
#include "analyzer/read/defs.h"

struct position {
	int32_t line, end_line;     /* 0: none */
	int32_t column, end_column; /* -1: not known */
};

/* Where the instruction at `offset` lies. Line 0 when the table gives it none. A frame that had not started
 * (PT_OFFSET_NONE) and a code object without a table are at its first line. */
struct position lines_find(const struct code *c, uint32_t offset);

/* A frame for people. Texts are borrowed from the trace. */
struct site {
	const char *file;     /* "" when unknown */
	const char *function; /* qualified name; "?" when unknown */
	struct position at;
};

/* Of a Python frame. An instruction without a line of its own counts to the first line of its function. Line 0: nothing
 * is known. */
struct site lines_site(const struct defs *d, node_id node);
