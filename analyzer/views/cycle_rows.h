/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cycle_rows: the rows of models/cycles.h as people should see them
 *
 * What:  rows whose stacks differ but whose lines are the same become one. Text and JSON of a row.
 * Who:   cycles; findings on garbage.
 */
#pragma once
#include "analyzer/places/place.h"
#include "analyzer/models/cycles.h"

struct cycle_below {
	string_id type;
	node_id node;
	uint64_t n, bytes;
};

/* Rows of the model that look the same. */
struct cycle_shown {
	const struct cycle_row *row; /* the first of them; its sums are not those below */
	uint64_t count, objects, all_objects, bytes, cut_objects, cut_bytes;
	uint32_t collections;
	ARRAY(struct cycle_below) below; /* most bytes first */
};

struct cycle_list {
	ARRAY(struct cycle_shown)
	at;                       /* by state; those of the user's lines first, then of packages; most bytes first */
	ARRAY(uint32_t) shown_of; /* by row of the model: index in .at */
};

void cycle_list_init(struct cycle_list *l, const struct cycles *c, struct place_table *places);
void cycle_list_free(struct cycle_list *l);

/* "uncollected", "collected", "uncollectable". */
const char *cycle_state_name(enum cycle_state state);

/* The object of DESIGN 2.5. */
json_t *cycle_json(const struct cycle_shown *shown, const struct cycles *c, struct place_table *places);
/* Its members alone: [{type, site}]. */
json_t *cycle_members_json(const struct cycle_row *row, const struct cycles *c, struct place_table *places);
/* [{from, to, name}]. */
json_t *cycle_edges_json(const struct cycle_row *row, const struct cycles *c);
/* {from, to, name, site}; null. */
json_t *cycle_closing_json(const struct cycle_row *row, const struct cycles *c, struct place_table *places);

/* Prints the members with their lines and edges, the closing edge, what is below. */
void cycle_print(const struct cycle_shown *shown, const struct cycles *c, struct place_table *places,
		 const struct output *out, bool full, unsigned indent);

/* Why no collection frees it: "a member is in the permanent generation (gc.freeze)". Written into buf. */
char *cycle_why(unsigned why, char *buf, size_t cap);
