/* SPDX-License-Identifier: Apache-2.0 */
/* balance_rows: a row for each type and line that takes or gives */
#include "analyzer/counts/balance_parts.h"

/* The line that a frame's changes count to. */
struct owner_level balance_level(const struct judge *j, node_id frame)
{
	struct owner_level at = owners_level(j->o, frame), caller = at;

	while (j->handing->n && map_find(j->handing, owners_line(j->o, at)) != MAP_NONE && owners_caller(j->o, &caller))
		at = caller;
	return at;
}

uint32_t balance_row_of(struct judge *j, node_id frame, node_id node, uint32_t type)
{
	struct owner_level owner = balance_level(j, frame);
	uint64_t line = owners_line(j->o, owner);
	uint32_t *at = map_at(&j->by_line, map_mix(line ^ map_mix(type + UINT64_C(1))));

	if (*at == MAP_NONE) {
		*at = (uint32_t)j->b->rows.n;
		*array_push(&j->b->rows) = (struct balance_row){
			.verdict = BALANCE_FINE, .type = type, .owner = owner, .node = node, .example = UINT32_MAX
		};
		*array_push(&j->records) = (struct record){ 0 };
	}
	return *at;
}

static void count_partner(struct judge *j, uint32_t row, node_id frame, uint8_t how)
{
	struct owner_level level = balance_level(j, frame);
	uint64_t key = map_mix(owners_line(j->o, level) ^ map_mix((uint64_t)row << 8 | how));
	uint32_t *at = map_at(&j->by_partner, key);

	if (*at == MAP_NONE) {
		*at = (uint32_t)j->partners.n;
		*array_push(&j->partners) = (struct partner){ .is = { .at = level, .how = how }, .row = row };
	}
	j->partners.at[*at].is.n++;
}

struct spot *balance_spot(struct judge *j, uint32_t row, node_id node)
{
	uint32_t *at = map_at(&j->by_spot, (uint64_t)row << 32 | node);

	if (*at == MAP_NONE) {
		*at = (uint32_t)j->spots.n;
		*array_push(&j->spots) = (struct spot){ .row = row, .node = node };
	}
	return &j->spots.at[*at];
}

/* Counts a change. Returns its row. */
uint32_t balance_count(struct judge *j, const struct pairs *p, const struct pair_change *c, uint32_t history)
{
	const struct owner *w = owner_of(j->o, c->node);
	uint32_t at = balance_row_of(j, balance_owner_frame(w), c->node, j->b->histories->at.at[history].type);
	struct balance_row *row = &j->b->rows.at[at];
	struct record *record = &j->records.at[at];

	row->takes += c->take;
	row->gives += !c->take;
	row->direct |= w->direct;
	row->how[c->how]++;
	balance_spot(j, at, c->node)->n[c->take]++;
	row->objects += record->last_object != history + 1;
	record->last_object = history + 1;
	if (c->mate != PAIR_ALONE)
		count_partner(j, at, balance_owner_frame(owner_of(j->o, p->at.at[c->mate].node)), c->how);
	return at;
}
