/* SPDX-License-Identifier: Apache-2.0 */
/* refs_balance: the part of `pytrace refs` that says who did not give back what he took */
#include "analyzer/commands/refs/refs_show.h"
#include "analyzer/places/owner_places.h"

#include <inttypes.h>
#include <string.h>

enum { ROWS_JSON = 1000, UNDECIDED_SHOWN = 5 };

/* ---- JSON ---- */

static json_t *partners_json(struct refs_report *x, const struct balance_row *row)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < BALANCE_PARTNERS && row->partners[i].n; i++) {
		json_t *o = json_object();

		json_put(o, "times", json_integer((json_int_t)row->partners[i].n));
		json_put(o, "how", json_text(pair_how_name(row->partners[i].how)));
		json_put(o, "site", place_json(owner_place(&x->t->places, row->partners[i].at)));
		json_add(list, o);
	}
	return list;
}

static json_t *row_json(struct refs_report *x, const struct balance_row *row)
{
	json_t *o = json_object();
	char text[2000];

	json_put(o, "type", json_text(defs_type_name(&x->t->trace.defs, row->type)));
	json_put(o, "verdict", json_text(balance_verdict_name(row->verdict)));
	json_put(o, "takes", json_integer((json_int_t)row->takes));
	json_put(o, "gives", json_integer((json_int_t)row->gives));
	json_put(o, "surplus", json_integer((json_int_t)row->leaked - (json_int_t)row->over));
	json_put(o, "objects", json_integer((json_int_t)row->objects));
	json_put(o, "objects_out_of_balance", json_integer((json_int_t)(row->leaked_objects + row->over_objects)));
	json_put(o, "direct", json_boolean(row->direct));
	json_put(o, "example",
		 row->example == UINT32_MAX ? json_null() : json_integer(x->histories.at.at[row->example].number));
	json_put(o, "site", place_json(owner_place(&x->t->places, row->owner)));
	json_put(o, "stack", place_stack_json(&x->t->places, row->node));
	json_put(o, "partners", partners_json(x, row));
	json_put(o, "evidence", json_text(balance_evidence(&x->balance, row, text, sizeof text)));
	return o;
}

json_t *refs_balance_json(struct refs_report *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->balance.rows.n && i < ROWS_JSON; i++)
		json_add(list, row_json(x, &x->balance.rows.at[i]));
	return list;
}

/* ---- text ---- */

static size_t count_verdict(const struct refs_report *x, enum balance_verdict v)
{
	size_t n = 0;

	for (size_t i = 0; i < x->balance.rows.n; i++)
		n += x->balance.rows.at[i].verdict == v;
	return n;
}

static void print_source(struct report *r, struct refs_report *x, const struct balance_row *row)
{
	char text[1000], safe[1000];
	bool changed;

	if (!place_source(&x->t->places, owner_place(&x->t->places, row->owner), text, sizeof text, &changed) ||
	    changed)
		return;
	fprintf(r->out.file, "       %s%s%s\n", output_style(&r->out, STYLE_CODE),
		format_printable(safe, sizeof safe, text), output_style(&r->out, STYLE_PLAIN));
}

static void print_row(struct report *r, struct refs_report *x, const struct balance_row *row, size_t number)
{
	bool leaks = row->leaked >= row->over;
	FILE *f = r->out.file;
	char text[2000], safe[2000];

	balance_where(&x->balance, row, text, sizeof text);
	fprintf(f, "\n%s%zu. %s%s %s ", output_style(&r->out, STYLE_STRONG), number,
		format_printable(safe, sizeof safe, text), output_style(&r->out, STYLE_PLAIN),
		row->verdict == BALANCE_UNDECIDED ? "may not give back"
		: leaks                           ? "does not give back"
						  : "gives away");
	fprintf(f, "%s to %s%s\n", format_plural(leaks ? row->leaked : row->over, "reference", "references").text,
		format_printable(safe, sizeof safe, defs_type_name(&x->t->trace.defs, row->type)),
		leaks ? "" : " that it does not have");
	print_source(r, x, row);
	format_wrapped(f, balance_evidence(&x->balance, row, text, sizeof text), 3, 3, r->out.width);
	fprintf(f, "   Stack:\n");
	place_print_stack(&x->t->places, row->node, &r->out, 6, r->common.full);
}

void refs_balance_print(struct report *r, struct refs_report *x)
{
	size_t n_fine = count_verdict(x, BALANCE_FINE), undecided = 0, shown = 0;

	if (!x->balance.rows.n)
		return;
	fputc('\n', r->out.file);
	output_title(&r->out, "Balance");
	for (size_t i = 0; i < x->balance.rows.n; i++) {
		const struct balance_row *row = &x->balance.rows.at[i];

		undecided += row->verdict == BALANCE_UNDECIDED;
		if (row->verdict == BALANCE_FINE || (undecided > UNDECIDED_SHOWN && !r->common.full))
			break;
		print_row(r, x, row, ++shown);
	}
	if (shown)
		fputc('\n', r->out.file);
	if (count_verdict(x, BALANCE_UNDECIDED) > UNDECIDED_SHOWN && !r->common.full)
		fprintf(r->out.file, "  and %s undecided (--full)\n",
			format_plural(count_verdict(x, BALANCE_UNDECIDED) - UNDECIDED_SHOWN, "more line", "more lines")
				.text);
	fprintf(r->out.file, "  %s %s of %s that took or gave references%s\n", shown ? "The other" : "All",
		format_count(n_fine).text, format_plural(x->balance.rows.n, "line", "lines").text,
		shown ? " are in balance" : ": nobody is to blame");
	if (x->balance.unexplained)
		fprintf(r->out.file, "  %s held by C code that did not take them itself\n",
			format_plural(x->balance.unexplained, "reference is", "references are").text);
}
