/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: aligned columns for people
 *
 * What:  rows of text cells under described columns; widths are those of the content. When the line is too long, the
 *        elastic columns give way: their cells lose their middle.
 * How:   add cells left to right, row after row; table_print() at the end. Cells are made printable as they come in.
 */
#pragma once
#include "analyzer/out/output.h"

#include <stddef.h>
#include <stdint.h>

struct table_column {
	const char *title;
	bool right;              /* numbers: aligned to the right */
	bool elastic;            /* may be made narrower */
	enum output_style style; /* of its cells */
};

struct table {
	const struct table_column *columns; /* borrowed */
	size_t n_columns;
	char **cells;
	size_t n_cells, cap_cells;
};

void table_init(struct table *t, const struct table_column *columns, size_t n_columns);
void table_free(struct table *t);

/* Adds the next cell. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Cells of numbers: a size ("-" for 0), a count ("-" for 0). */
void table_bytes(struct table *t, uint64_t bytes);
void table_count(struct table *t, uint64_t n);

/* Prints titles and rows, each line after `indent` spaces. */
void table_print(const struct table *t, const struct output *o, unsigned indent);
