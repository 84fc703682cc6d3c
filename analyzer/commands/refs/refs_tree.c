/* SPDX-License-Identifier: Apache-2.0 */
/* refs_tree: the balance tree of `pytrace refs --tree` */
#include "analyzer/commands/refs/refs_show.h"
#include "analyzer/counts/balance_tree.h"

#include <inttypes.h>
#include <string.h>

enum { NODES_SHOWN = 200, NODES_JSON = 10000, MOST_INDENT = 20 };

/* A line that only called one other is left out, and so is one that is in balance with all that it called. */
static bool is_link(const struct balance_node *n) { return n->n_children == 1 && !n->own && !n->pairs; }
static bool is_balanced(const struct balance_node *n) { return n->takes == n->gives; }

static void tree_row(struct refs_report *x, struct table *t, const struct balance_node *n, unsigned indent)
{
	char where[1000];

	table_cell(t, "%+" PRId64, balance_net(n));
	table_count(t, n->takes);
	table_count(t, n->gives);
	table_count(t, n->pairs);
	table_cell(t, "%*s%s", (int)(2 * (indent < MOST_INDENT ? indent : MOST_INDENT)), "",
		   owners_where(&x->owners, owners_level(&x->owners, n->frame), where, sizeof where));
}

/* Prints all that is out of balance. Returns how many lines are in balance and were folded. */
static size_t add_rows(struct refs_report *x, const struct balance_tree *tree, struct table *t, size_t most)
{
	unsigned *indent = mem_zero(tree->at.n + 1, sizeof *indent);
	size_t folded = 0, shown = 0;

	for (size_t i = 1; i < tree->at.n; i++) {
		const struct balance_node *n = &tree->at.at[i];
		unsigned own = n->parent ? indent[n->parent] : 0;

		indent[i] = own;
		if (is_balanced(n)) {
			folded += n->n_below + 1;
			i += n->n_below;
		} else if (!is_link(n)) {
			indent[i] = own + 1;
			if (shown++ < most)
				tree_row(x, t, n, own);
		}
	}
	free(indent);
	return folded;
}

void refs_tree_print(struct report *r, struct refs_report *x)
{
	static const struct table_column columns[] = {
		{ .title = "net", .right = true, .style = STYLE_STRONG },
		{ .title = "taken", .right = true },
		{ .title = "given", .right = true },
		{ .title = "pairs", .right = true, .style = STYLE_FAINT },
		{ .title = "at", .elastic = true },
	};
	struct balance_tree tree;
	struct table t;
	size_t folded;

	balance_tree_make(&tree, &x->histories, &x->owners, BALANCE_ALL_TYPES);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	folded = add_rows(x, &tree, &t, r->common.full ? SIZE_MAX : NODES_SHOWN);
	fputc('\n', r->out.file);
	output_title(&r->out, "Balance tree: takes and gives by stack, the outermost line first");
	table_print(&t, &r->out, 2);
	fprintf(r->out.file, "  Pairs of one call are out of the way; %s in balance folded\n",
		format_plural(folded, "line", "lines").text);
	table_free(&t);
	balance_tree_free(&tree);
}

json_t *refs_tree_json(struct refs_report *x)
{
	json_t *list = json_array();
	struct balance_tree tree;

	balance_tree_make(&tree, &x->histories, &x->owners, BALANCE_ALL_TYPES);
	for (size_t i = 0; i < tree.at.n && i < NODES_JSON; i++) {
		const struct balance_node *n = &tree.at.at[i];
		json_t *o = json_object();

		json_put(o, "depth", json_integer(n->depth));
		json_put(o, "takes", json_integer((json_int_t)n->takes));
		json_put(o, "gives", json_integer((json_int_t)n->gives));
		json_put(o, "net", json_integer((json_int_t)balance_net(n)));
		json_put(o, "own", json_integer((json_int_t)n->own));
		json_put(o, "pairs", json_integer((json_int_t)n->pairs));
		json_put(o, "site",
			 i ? place_json(owner_place(&x->t->places, owners_level(&x->owners, n->frame))) : json_null());
		json_add(list, o);
	}
	balance_tree_free(&tree);
	return list;
}
