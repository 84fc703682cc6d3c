/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: see types.h
 *
 * A counter of a past moment (the peak so far, the end of the run) is summed up of blocks that were made before it and
 * die, or are alive at the end, after it. When that moment is replaced by a later one all these counters start anew:
 * each bears the number of the moment that it is about.
 */
#include "analyzer/models/types.h"
#include "analyzer/models/cycles.h"
#include "analyzer/heap/heap.h"

#include <stdio.h>
#include <string.h>

/* A str, a time: some types make objects that are smaller than their basic size says; none that the collector tracks.
 */
enum { SMALLER_BY = 48, TYPE_TEXT_MAX = 4096 };

/* ---- rows ---- */

static struct types_row *row_of(struct types *t, node_id node, uint8_t layer, string_id type)
{
	uint32_t first = t->first_of[node], *at;

	if (first && t->rows.at[first].type == type && t->rows.at[first].layer == layer)
		return &t->rows.at[first];
	at = map_at(&t->row_of, map_mix((uint64_t)node << 32 | type) ^ layer);
	if (*at == MAP_NONE) {
		*at = (uint32_t)t->rows.n;
		*array_push(&t->rows) = (struct types_row){ .node = node, .layer = layer, .type = type, .next = first };
		t->first_of[node] = *at;
	}
	return &t->rows.at[*at];
}

static void settle(const struct types *t, struct types_row *row)
{
	if (row->peak_epoch != t->peak_epoch)
		row->at[ACCOUNT_PEAK] = (struct amount){ 0 };
	if (row->end_epoch != t->end_epoch)
		row->at[ACCOUNT_END] = (struct amount){ 0 };
	row->peak_epoch = t->peak_epoch;
	row->end_epoch = t->end_epoch;
}

static void add(struct amount *sum, uint64_t bytes)
{
	sum->bytes += bytes;
	sum->blocks++;
}

/* A block of a known type that was alive until now. */
static struct types_row *count(struct types *t, node_id node, uint8_t layer, string_id type, uint64_t bytes,
			       uint64_t number)
{
	struct types_row *row = row_of(t, node, layer, type);

	settle(t, row);
	add(&row->total, bytes);
	if (number <= t->peak_number)
		add(&row->at[ACCOUNT_PEAK], bytes);
	if (t->finalizing && number <= t->fini_number)
		add(&row->at[ACCOUNT_END], bytes);
	return row;
}

/* ---- which type ---- */

static string_id name_of(struct types *t, uint32_t type)
{
	const struct defs *d = &t->trace->defs;
	const struct typedef_row *row = &d->types.at.at[type];

	if (!t->name_of[type])
		t->name_of[type] = strings_add(&t->names, strings_text(&d->strings, row->name),
					       strings_len(&d->strings, row->name));
	return t->name_of[type];
}

/* What a release says, if an object of that type fits into the block. */
static string_id type_of_free(struct types *t, const struct change *c)
{
	const struct typedef_row *row = &t->trace->defs.types.at.at[c->type];

	if (!c->type ||
	    (uint64_t)row->basic_bytes + row->before_bytes > c->bytes + (row->before_bytes ? 0 : SMALLER_BY))
		return 0;
	return name_of(t, c->type);
}

static string_id type_in_snapshot(const struct types *t, uint64_t addr, uint64_t number)
{
	uint32_t type = t->after_snapshot && number <= t->snapshot_number ? map_find(&t->in_block, addr) : MAP_NONE;

	return type == MAP_NONE ? 0 : type;
}

/* ---- changes ---- */

/* The snapshot knows better: when a class dies together with its objects its module is not known any more. */
static void on_died(struct types *t, const struct change *c, uint64_t ns)
{
	string_id by_free, type;
	struct types_row *row;

	if (!c->whole)
		return;
	by_free = c->layer == PT_LAYER_OBJECT ? type_of_free(t, c) : 0;
	type = type_in_snapshot(t, c->addr, c->number);
	if (!type)
		type = by_free;
	if (c->layer == PT_LAYER_OBJECT && !c->moved) {
		add(&t->share.blocks, c->bytes);
		if (by_free)
			add(&t->share.at_free, c->bytes);
		else if (type)
			add(&t->share.snapshot, c->bytes);
		else
			t->share.unknown_freed++;
	}
	if (!type)
		return;
	if (t->typed)
		t->typed(t->typed_self, type, c->bytes, c->born_ns, ns);
	row = count(t, c->node, c->layer, type, c->bytes, c->number);
	if (c->temporary)
		add(&row->temporary, c->bytes);
}

/* As account.c has it. */
static void grow(struct types *t, const struct change *c)
{
	if (!pt_layer_counted((enum pt_layer)c->layer))
		return;
	t->now.bytes += c->bytes;
	if (t->now.bytes <= t->peak_bytes)
		return;
	t->peak_bytes = t->now.bytes;
	t->peak_number = t->n_made;
	t->peak_epoch++;
}

static void types_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct types *t = self;

	for (const struct change *c = changes, *end = c + n; c < end; c++) {
		if (c->kind == BLOCK_BORN)
			t->n_made = c->number;
		if (c->kind != BLOCK_DIED) {
			grow(t, c);
			continue;
		}
		on_died(t, c, now->ns);
		if (pt_layer_counted((enum pt_layer)c->layer))
			t->now.bytes -= c->bytes;
	}
}

/* ---- the snapshot ---- */

static string_id buffer_name(struct types *t, const char *owner)
{
	char text[TYPE_TEXT_MAX];
	int n = snprintf(text, sizeof text, "%.4000s (buffer)", owner);

	return strings_add(&t->names, text, (size_t)n);
}

/* Memory that is no object, and that only one object points to, is a buffer of that one. */
static void learn_buffers(struct types *t, const struct heap *h, const string_id *names)
{
	enum { SEVERAL = 0 };
	struct map buffers = { 0 };

	for (size_t i = 0; i < h->raws.n; i++) {
		const struct heap_raw *raw = &h->raws.at[i];
		uint32_t type = h->type[raw->object], *at;

		if (raw->target != HEAP_NONE || !type || map_find(&t->in_block, raw->address) != MAP_NONE)
			continue;
		at = map_at(&buffers, raw->address);
		*at = *at == MAP_NONE ? names[type] : SEVERAL;
	}
	for (size_t i = 0; i < buffers.cap; i++)
		if (buffers.at[i].value != MAP_NONE && buffers.at[i].value != SEVERAL)
			*map_at(&t->in_block, buffers.at[i].key) = buffers.at[i].value;
	map_free(&buffers);
}

static void learn_blocks(struct types *t, const struct heap *h)
{
	string_id *names = mem_zero(h->types.n, sizeof *names), *buffers = mem_zero(h->types.n, sizeof *buffers);

	for (size_t i = 1; i < h->types.n; i++) {
		const char *name = heap_text_of(h, h->types.at[i].name);

		names[i] = strings_add(&t->names, name, strlen(name));
		buffers[i] = buffer_name(t, name);
	}
	for (uint32_t o = 0; o < h->n; o++)
		if (!(h->flags[o] & PT_OBJECT_STATIC) && h->type[o])
			*map_at(&t->in_block, heap_block(h, o)) = names[h->type[o]];
	learn_buffers(t, h, buffers);
	free(names);
	free(buffers);
}

/* The heap of the snapshot, from who has it, else from the file. */
static void learn_snapshot(struct types *t)
{
	struct snapshots all = { 0 };
	const struct heap *kept;
	const struct join *join;
	struct heap h;

	if (t->from && cycles_kept(t->from, &kept, &join) && kept->snapshot == t->snapshot) {
		learn_blocks(t, kept);
		return;
	}
	snapshots_list(&all, t->trace);
	heap_load(&h, t->trace, snapshots_find(&all, t->snapshot), 0);
	learn_blocks(t, &h);
	heap_free(&h);
	snapshots_free(&all);
}

static void choose_snapshot(struct types *t)
{
	struct snapshots all = { 0 };
	const struct snapshot *s;

	snapshots_list(&all, t->trace);
	s = snapshots_find(&all, 0);
	t->snapshot = t->from && t->from->now ? t->from->now : s ? s->number : 0;
	snapshots_free(&all);
}

/* ---- moments ---- */

static void on_life(struct types *t, const struct pt_event *ev)
{
	uint32_t type = typedefs_find(&t->trace->defs.types, (uint32_t)ev->size);
	struct types_row *row;

	t->reused += ev->op == PT_OP_REUSE;
	t->retired += ev->op == PT_OP_RETIRE;
	if (!type)
		return;
	row = row_of(t, defs_node(&t->trace->defs, (uint32_t)(ev->size >> 32)), PT_LAYER_OBJECT, name_of(t, type));
	row->reused += ev->op == PT_OP_REUSE;
	row->retired += ev->op == PT_OP_RETIRE;
}

static void types_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct types *t = self;

	(void)now, (void)r;
	switch (ev->op) {
	case PT_OP_PY_FINI:
		t->finalizing = true;
		t->fini_number = t->n_made;
		t->end_epoch++;
		break;
	case PT_OP_PY_INIT: t->finalizing = false; break;
	case PT_OP_SNAPSHOT:
		if (t->snapshot && ev->addr == t->snapshot && !t->after_snapshot) {
			if (t->from)
				learn_snapshot(t);
			t->after_snapshot = true;
			t->snapshot_number = t->n_made;
		}
		break;
	case PT_OP_REUSE:
	case PT_OP_RETIRE: on_life(t, ev); break;
	default: break;
	}
}

/* ---- the end ---- */

static void add_live(void *self, const struct live_block *b)
{
	struct types *t = self;
	bool object = b->layer == PT_LAYER_OBJECT;
	string_id type;
	struct types_row *row;

	if (b->inherited || b->mapping)
		return;
	type = type_in_snapshot(t, b->addr, b->number);
	if (object) {
		add(&t->share.blocks, b->bytes);
		if (type)
			add(&t->share.snapshot, b->bytes);
		else
			t->share.unknown_alive++;
	}
	if (!type)
		return;
	if (t->typed)
		t->typed(t->typed_self, type, b->bytes, b->born_ns, UINT64_MAX);
	row = count(t, b->node, b->layer, type, b->bytes, b->number);
	add(&row->at[ACCOUNT_LAST], b->bytes);
}

static void types_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct types *t = self;

	(void)now;
	replay_each_live(r, add_live, t);
	for (size_t i = 1; i < t->rows.n; i++) {
		struct types_row *row = &t->rows.at[i];

		settle(t, row);
		if (!t->finalizing)
			row->at[ACCOUNT_END] = row->at[ACCOUNT_LAST];
	}
	map_free(&t->in_block);
	map_free(&t->row_of);
}

void types_init(struct types *t, struct trace *trace, bool with_snapshot, const struct cycles *from)
{
	*t = (struct types){
		.trace = trace,
		.from = from,
		.model = { t, types_changes, types_event, types_finish },
		.first_of = mem_zero(trace->defs.stacks.nodes.n, sizeof *t->first_of),
		.name_of = mem_zero(trace->defs.types.at.n, sizeof *t->name_of),
	};
	strings_add(&t->names, "", 0);
	*array_push(&t->rows) = (struct types_row){ 0 };
	if (with_snapshot)
		choose_snapshot(t);
	if (t->snapshot && !from)
		learn_snapshot(t);
}

const char *types_main(const struct types *t, node_id node)
{
	const struct types_row *most = NULL;
	uint64_t bytes = 0;

	for (uint32_t i = t->first_of[node]; i; i = t->rows.at[i].next) {
		const struct types_row *row = &t->rows.at[i];

		bytes += row->at[ACCOUNT_END].bytes;
		if (!most || row->at[ACCOUNT_END].bytes > most->at[ACCOUNT_END].bytes)
			most = row;
	}
	return most && bytes && most->at[ACCOUNT_END].bytes * 2 >= bytes ? types_name(t, most->type) : "";
}

void types_free(struct types *t)
{
	strings_free(&t->names);
	array_free(&t->rows);
	free(t->first_of);
	free(t->name_of);
	map_free(&t->row_of);
	map_free(&t->in_block);
	*t = (struct types){ 0 };
}
