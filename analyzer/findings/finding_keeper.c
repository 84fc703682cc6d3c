/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_keeper: native memory that holds what grows
 *
 * What no object of Python's leads to, C code keeps: a table of its own, nodes of a tree, a module's variables. Words
 * of native memory say which (counts/kept.h): of a sample of the objects that grow the chain is taken to where C code
 * holds it, and the memory whose words lead to most of these starts is the keeper. Blocks that one stack made are one
 * keeper, however many they are: one that was grown by realloc, or a node for each.
 */
#include "analyzer/base/mem.h"
#include "analyzer/base/sample.h"
#include "analyzer/findings/finding.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE 400
#define MOST   60 /* percent of the chains */

struct vote {
	uint64_t kind;
	uint32_t n, last; /* chains; the last one */
};

struct voting {
	struct view *v;
	struct kept *k;
	uint32_t chains;
	bool hidden; /* most of them are in no snapshot: nobody but C code leads to them */
	ARRAY(struct vote) at;
};

static void vote(struct voting *x, uint64_t kind)
{
	size_t i = 0;

	while (i < x->at.n && x->at.at[i].kind != kind)
		i++;
	if (!kind)
		return;
	if (i == x->at.n)
		*array_push(&x->at) = (struct vote){ .kind = kind };
	x->at.at[i].n += x->at.at[i].last != x->chains;
	x->at.at[i].last = x->chains;
}

/* Not the vote of what grows for itself: blocks of Python's in which no object lies are dead ones that wait on a free
 * list to be used again. Each leads to the next one, and still to all that it had. */
static void vote_of_keeper(struct voting *x, uint32_t keeper, const bool *mine)
{
	const struct kept_block *b = &x->k->blocks[keeper];

	if (b->layer != PT_LAYER_OBJECT || !mine[b->node])
		vote(x, kept_kind(x->k, keeper));
}

/* Each kind that holds the start has a vote of the chain. */
static void vote_for(struct voting *x, object_id target, const bool *mine)
{
	const struct kept *k = x->k;
	struct path p;

	x->chains++;
	paths_to(&x->v->paths, target, &p);
	if (p.start == PATH_C && p.steps.n) {
		object_id start = p.steps.at[0].object;

		for (uint32_t i = k->first[start]; i < k->first[start + 1]; i++)
			vote_of_keeper(x, k->keepers[i], mine);
	}
	path_free(&p);
}

static void vote_all(struct voting *x, const bool *mine)
{
	const struct join *j = &x->v->join;
	size_t n = 0, at = 0, others = 0, other = 0;

	for (object_id o = 0; o < x->v->heap.n; o++)
		n += j->node[o] != NODE_UNKNOWN && mine[j->node[o]];
	for (object_id o = 0; o < x->v->heap.n; o++)
		if (j->node[o] != NODE_UNKNOWN && mine[j->node[o]] && sample_has(at++, n / SAMPLE + 1))
			vote_for(x, o, mine);
	for (size_t i = 0; i < x->k->others.n; i++)
		others += mine[x->k->others.at[i].node];
	x->hidden = others > n;
	for (size_t i = 0; i < x->k->others.n; i++) {
		if (!mine[x->k->others.at[i].node] || !sample_has(other++, others / SAMPLE + 1))
			continue;
		x->chains++;
		vote_of_keeper(x, x->k->others.at[i].keeper, mine);
	}
}

static int by_address(const void *left, const void *right)
{
	const struct kept_block *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

/* What of its memory holds something. A block may have several records. */
static void sum_up(struct finding_keeper *ret, const struct kept *k)
{
	ARRAY(struct kept_block) blocks = { 0 };

	for (uint32_t i = 0; i < k->heap->keepers.n; i++) {
		if (kept_kind(k, i) != ret->kind)
			continue;
		ret->words += k->heap->keepers.at[i].n;
		*array_push(&blocks) = k->blocks[i];
	}
	if (blocks.n)
		qsort(blocks.at, blocks.n, sizeof *blocks.at, by_address);
	for (size_t i = 0; i < blocks.n && !ret->file; i++) {
		if (i && blocks.at[i].address == blocks.at[i - 1].address)
			continue;
		ret->blocks++;
		ret->bytes += blocks.at[i].bytes;
	}
	array_free(&blocks);
}

bool finding_keeper_find(struct finding *f, const bool *mine)
{
	struct remains *r = f->trace->remains;
	struct voting x = { .v = &r->view, .k = &r->surplus.kept };
	const struct vote *best = NULL;

	f->keeper = (struct finding_keeper){ .node = NODE_UNKNOWN };
	if (!r->view.loaded || !kept_index(x.k, &r->view.heap))
		return false;
	view_want(x.v, VIEW_PATHS);
	vote_all(&x, mine);
	for (size_t i = 0; i < x.at.n; i++)
		if (!best || x.at.at[i].n > best->n)
			best = &x.at.at[i];
	if (best && (uint64_t)best->n * 100 >= (uint64_t)x.chains * MOST) {
		f->keeper.kind = best->kind;
		f->keeper.node = kept_node(best->kind);
		f->keeper.file = kept_file(x.k, best->kind);
		sum_up(&f->keeper, x.k);
	}
	array_free(&x.at);
	return f->keeper.kind && x.hidden;
}

void finding_keeper_label(const struct finding *f, uint8_t number, uint8_t *label)
{
	struct remains *r = f->trace->remains;
	struct kept *k = &r->surplus.kept;

	if (!f->keeper.kind || !kept_index(k, &r->view.heap))
		return;
	for (object_id o = 0; o < k->heap->n; o++)
		for (uint32_t i = k->first[o]; i < k->first[o + 1] && !label[o]; i++)
			if (kept_kind(k, k->keepers[i]) == f->keeper.kind)
				label[o] = number;
}

/* ---- for people ---- */

/* "data of _registry.so", "a block of 24 KiB, made at _registry.c:12". */
char *finding_keeper_text(const struct finding *f, bool full, char *buf, size_t cap)
{
	const struct finding_keeper *k = &f->keeper;
	struct place_table *places = &f->trace->places;
	const char *base = k->file ? strrchr(k->file, '/') : NULL;
	char where[4096], below[2048], many[160];

	if (k->file) {
		snprintf(buf, cap, "data of %s", base && !full ? base + 1 : k->file);
		return buf;
	}
	if (k->blocks == 1)
		snprintf(many, sizeof many, "a block of %s", format_bytes(k->bytes).text);
	else
		snprintf(many, sizeof many, "%s blocks of %s in all", format_count(k->blocks).text,
			 format_bytes(k->bytes).text);
	place_site_where(&f->trace->places, k->node, full, where, sizeof where);
	snprintf(buf, cap, "%s%s%s%s%s", many, *where ? ", made at " : "", where, *where ? " in " : "",
		 *where ? place_function_below(places, k->node, full, below, sizeof below) : "");
	return buf;
}

json_t *finding_keeper_json(const struct finding *f)
{
	const struct finding_keeper *k = &f->keeper;
	json_t *o;

	if (!k->kind)
		return json_null();
	o = json_object();
	json_put(o, "site", place_site_json(&f->trace->places, k->node));
	json_put(o, "below", k->file ? json_null() : place_below_json(&f->trace->places, k->node));
	json_put(o, "stack", k->file ? json_null() : place_stack_json(&f->trace->places, k->node));
	json_put(o, "file", k->file ? json_text(k->file) : json_null());
	json_put(o, "blocks", json_bytes(k->blocks));
	json_put(o, "bytes", json_bytes(k->bytes));
	json_put(o, "words", json_bytes(k->words));
	return o;
}
