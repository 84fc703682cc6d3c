/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linetable: from an instruction's offset to line and column
 *
 * What:  decodes the raw line tables of CPython: lnotab (up to 3.9), linetable (3.10), location table (3.11 and later).
 *        An offset is counted in bytes of bytecode in all versions. Columns are offsets in bytes of the UTF-8 source
 *        line, from 0, and only 3.11 and later have them.
 * Who:   the analyzer, for every site that it prints; the tracer, where somebody asks for the objects of one line.
 * Never: allocates, or reads beyond the table, whatever is in it.
 */
#pragma once
#include "formats/event.h"

struct pt_position {
	int32_t line, end_line;     /* 0: none */
	int32_t column, end_column; /* -1: not known */
};

/* What a CODE definition says of lines. */
struct pt_linetable_in {
	const uint8_t *table;
	uint32_t bytes; /* of the table, as far as it is there */
	uint32_t first_line;
	uint8_t kind; /* enum pt_linetable */
};

/* Where the instruction at `offset` lies. Line 0 when the table gives it none. A frame that had not started
 * (PT_OFFSET_NONE) and a code object without a table are at its first line. */
struct pt_position pt_linetable_find(const struct pt_linetable_in *c, uint32_t offset);
