/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/table.h"
#include "analyzer/base/mem.h"
#include "analyzer/out/format.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX    4096 /* longer names are cut */
#define GAP         2    /* spaces between columns */
#define ELASTIC_MIN 16
#define COLUMNS_MAX 16

void table_init(struct table *t, const struct table_column *columns, size_t n_columns)
{
	*t = (struct table){ .columns = columns, .n_columns = n_columns < COLUMNS_MAX ? n_columns : COLUMNS_MAX };
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}

void table_cell(struct table *t, const char *format, ...)
{
	char raw[CELL_MAX], safe[CELL_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof raw, format, args);
	va_end(args);
	format_printable(safe, sizeof safe, raw);
	if (t->n_cells == t->cap_cells) {
		t->cap_cells = t->cap_cells ? 2 * t->cap_cells : 64;
		t->cells = mem_resize(t->cells, t->cap_cells, sizeof *t->cells);
	}
	t->cells[t->n_cells++] = mem_text(safe, strlen(safe));
}

void table_bytes(struct table *t, uint64_t bytes) { table_cell(t, "%s", bytes ? format_bytes(bytes).text : "-"); }

void table_count(struct table *t, uint64_t n) { table_cell(t, "%s", n ? format_count(n).text : "-"); }

/* Takes columns from the widest elastic one until the line fits. */
static void give_way(const struct table *t, size_t widths[COLUMNS_MAX], size_t too_much)
{
	while (too_much--) {
		size_t widest = COLUMNS_MAX;

		for (size_t c = 0; c < t->n_columns; c++) {
			if (t->columns[c].elastic && (widest == COLUMNS_MAX || widths[c] > widths[widest]))
				widest = c;
		}
		if (widest == COLUMNS_MAX || widths[widest] <= ELASTIC_MIN)
			return;
		widths[widest]--;
	}
}

static void measure(const struct table *t, size_t widths[COLUMNS_MAX], size_t room)
{
	size_t whole = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		widths[c] = format_width(t->columns[c].title);
		for (size_t i = c; i < t->n_cells; i += t->n_columns) {
			size_t width = format_width(t->cells[i]);

			widths[c] = width > widths[c] ? width : widths[c];
		}
		whole += widths[c] + (c ? GAP : 0);
	}
	if (whole > room)
		give_way(t, widths, whole - room);
}

/* One line of cells, without spaces at its end. */
static void print_line(const struct table *t, const struct output *o, unsigned indent, const size_t *widths,
		       const char *const cells[], bool titles)
{
	size_t n = t->n_columns, blank = indent;

	while (n && !*cells[n - 1])
		n--;
	for (size_t c = 0; c < n; c++) {
		enum output_style style = titles ? STYLE_FAINT : t->columns[c].style;
		size_t width = format_width(cells[c]), pad = width < widths[c] ? widths[c] - width : 0;

		fprintf(o->file, "%*s", (int)(blank + (t->columns[c].right ? pad : 0)), "");
		fputs(style ? output_style(o, style) : "", o->file);
		format_elide(o->file, cells[c], widths[c]);
		fputs(style ? output_style(o, STYLE_PLAIN) : "", o->file);
		blank = GAP + (t->columns[c].right ? 0 : pad);
	}
	fputc('\n', o->file);
}

void table_print(const struct table *t, const struct output *o, unsigned indent)
{
	size_t widths[COLUMNS_MAX];
	const char *titles[COLUMNS_MAX];

	measure(t, widths, o->width > indent ? o->width - indent : 1);
	for (size_t c = 0; c < t->n_columns; c++)
		titles[c] = t->columns[c].title;
	print_line(t, o, indent, widths, titles, true);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_line(t, o, indent, widths, (const char *const *)t->cells + i, false);
}
