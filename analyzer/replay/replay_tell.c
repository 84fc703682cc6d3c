/* SPDX-License-Identifier: Apache-2.0 */
/* replay_tell: hands models the changes that wait, or those of them that the scope of a report takes in */
#include "analyzer/replay/replay_parts.h"

/* Leaves those of blocks that were made within. */
static void limit_to_scope(struct replay *r)
{
	bool holds = scope_holds(&r->scope, r->now.thread, r->task_in_thread[r->now.thread]);
	size_t n = 0;

	for (size_t i = 0; i < r->n_changes; i++) {
		const struct change *c = &r->changes[i];

		if (c->kind == BLOCK_BORN && holds)
			scope_add(&r->scope, c->number);
		if (scope_has(&r->scope, c->number))
			r->changes[n++] = *c;
	}
	r->n_changes = n;
}

void replay_flush(struct replay *r)
{
	if (r->n_changes && scope_is_on(&r->scope))
		limit_to_scope(r);
	for (size_t i = 0; i < r->n_models && r->n_changes; i++)
		if (r->models[i]->changes)
			r->models[i]->changes(r->models[i]->self, r->changes, r->n_changes, &r->now);
	r->n_changes = 0;
}
