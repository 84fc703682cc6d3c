/* SPDX-License-Identifier: Apache-2.0 */
/* lines: the trace's code objects, and the decoder of formats/linetable.h */
#include "analyzer/models/lines.h"

struct pt_position lines_find(const struct code *c, uint32_t offset)
{
	struct pt_linetable_in in = { c->table, c->table_got, c->first_line, c->linetable };

	return pt_linetable_find(&in, offset);
}

struct site lines_site(const struct defs *d, node_id node)
{
	const struct node *n = &d->stacks.nodes.at[node < d->stacks.nodes.n ? node : NODE_UNKNOWN];
	const struct code *c = &d->codes.at[n->kind == NODE_PYTHON ? n->code : CODE_UNKNOWN];
	struct site s = { strings_text(&d->strings, c->file), strings_text(&d->strings, c->name),
			  lines_find(c, n->offset) };

	if (!*s.function)
		s.function = "?";
	if (!s.at.line)
		s.at = lines_find(c, PT_OFFSET_NONE);
	return s;
}
