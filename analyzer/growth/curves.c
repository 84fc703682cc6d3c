/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step is written when a curve changes for the first time in a new slice: it says what the curve was up to then. So
 * a stack that worked only at start-up costs two steps, however long the run.
 *
 * How much work there will be is not known before. So slices start small, and when there are too many, each two become
 * one, and from then on they are twice as large. Marks end slices, too, without regard to work; of them, too, every
 * second one is dropped when there are too many (growth/marks.h).
 *
 * The end, too, is known only afterwards: when the program ends, or else when the interpreter starts to go down, the
 * slice is closed and what is alive is noted; should an interpreter start again, both are forgotten. Slices after the
 * end are cut off in curves_finish().
 */
#include "analyzer/growth/curves.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_WORK 16 /* blocks in a slice of a short run */

static bool is_import_frame(const struct defs *d, const struct node *node)
{
	const char *file;

	if (node->kind != NODE_PYTHON)
		return false;
	file = strings_text(&d->strings, d->codes.at[node->code].file);
	return !strncmp(file, "<frozen importlib", 17) || strstr(file, "/importlib/_bootstrap");
}

/* Callers have smaller numbers, so one pass settles all. */
static void look_at_nodes(struct curves *c, const struct defs *d)
{
	c->importing = mem_zero(d->stacks.nodes.n + 1, sizeof *c->importing);
	c->working = mem_zero(d->stacks.nodes.n + 1, sizeof *c->working);
	c->working[NODE_UNKNOWN] = true;
	for (node_id i = NODE_UNKNOWN + 1; i < d->stacks.nodes.n; i++) {
		const struct node *node = &d->stacks.nodes.at[i];
		bool says_nothing = node->kind == NODE_CUT || node->flags & NODE_INTERNAL;

		c->importing[i] = c->importing[node->parent] || is_import_frame(d, node);
		c->working[i] = !c->importing[i] && (c->working[node->parent] || !says_nothing);
	}
}

static struct curve *curve_of(struct curves *c, node_id node, uint8_t layer)
{
	uint32_t *number = &c->of_node[(size_t)node * PT_LAYERS + layer];

	if (!*number) {
		*array_push(&c->curves) = (struct curve){
			.node = node, .layer = layer, .slice = (uint32_t)c->slices.n - 1, .first_ns = UINT64_MAX
		};
		*number = (uint32_t)c->curves.n;
	}
	return &c->curves.at[*number - 1];
}

static void push_step(struct curves *c, struct curve *curve, uint32_t slice)
{
	*array_push(&c->steps) =
		(struct curve_step){ curve->bytes, curve->blocks, curve->slice, (uint32_t)(curve - c->curves.at) };
	curve->slice = slice;
}

/* ---- fewer slices ---- */

/* Of several steps of a curve that fall into one slice now, the last one holds. */
static void merge_steps(struct curves *c, const uint32_t *new_of)
{
	uint32_t *seen = mem_alloc((c->curves.n + 1) * sizeof *seen);
	size_t to = c->steps.n;

	memset(seen, 0xff, (c->curves.n + 1) * sizeof *seen);
	for (size_t i = c->steps.n; i-- > 0;) {
		struct curve_step step = c->steps.at[i];

		step.slice = new_of[step.slice];
		if (seen[step.curve] == step.slice)
			continue;
		seen[step.curve] = step.slice;
		c->steps.at[--to] = step;
	}
	c->steps.n -= to;
	memmove(c->steps.at, c->steps.at + to, c->steps.n * sizeof *c->steps.at);
	free(seen);
}

/* Each slice becomes a part of the next one that is kept; the last one is. */
static void merge_slices(struct curves *c, const bool *keep)
{
	uint32_t *new_of = mem_alloc((c->slices.n + 1) * sizeof *new_of);
	uint32_t to = 0;
	struct slice sum = { 0 };

	for (size_t i = 0; i < c->slices.n; i++) {
		new_of[i] = to;
		sum.work += c->slices.at[i].work;
		sum.rests += c->slices.at[i].rests;
		sum.collected += c->slices.at[i].collected;
		if (!keep[i])
			continue;
		sum.end_ns = c->slices.at[i].end_ns;
		sum.by_work = c->slices.at[i].by_work;
		c->slices.at[to++] = sum;
		sum = (struct slice){ 0 };
	}
	c->slices.n = to;
	merge_steps(c, new_of);
	for (size_t i = 0; i < c->curves.n; i++)
		c->curves.at[i].slice = new_of[c->curves.at[i].slice];
	for (size_t i = 0; i < c->marks.borders.n; i++)
		c->marks.borders.at[i].slice = new_of[c->marks.borders.at[i].slice];
	free(new_of);
}

/* Of the ends of slices by work each second one stays. What was late by the small slices of before need not be by
 * larger ones: it is counted anew. */
static void thin_work(struct curves *c)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < c->slices.n; i++)
		if (c->slices.at[i].by_work && n++ % 2 == 0)
			c->slices.at[i].by_work = false;
	for (size_t i = 1; i < c->work_ends.n; i += 2)
		c->work_ends.at[kept++] = c->work_ends.at[i];
	c->work_ends.n = kept;
	c->slice_work *= 2;
	for (size_t i = 0; i < c->curves.n; i++)
		c->curves.at[i].late_deaths = 0;
}

/* When there are too many. */
static void make_room(struct curves *c)
{
	bool work = c->work_ends.n >= CURVES_SLICES && c->work_ends.n % 2 == 0;
	bool marks = c->marks.borders.n >= CURVES_BORDERS;
	bool *keep;

	if (c->ended || (!work && !marks))
		return;
	if (work)
		thin_work(c);
	if (marks)
		marks_thin(&c->marks);
	keep = mem_zero(c->slices.n + 1, sizeof *keep);
	for (size_t i = 0; i < c->slices.n; i++)
		keep[i] = c->slices.at[i].by_work || i + 1 == c->slices.n;
	for (size_t i = 0; i < c->marks.borders.n; i++)
		keep[c->marks.borders.at[i].slice] = true;
	merge_slices(c, keep);
	free(keep);
}

static void open_slice(struct curves *c, uint64_t now_ns)
{
	if (c->slices.n)
		c->slices.at[c->slices.n - 1].end_ns = now_ns;
	make_room(c);
	*array_push(&c->slices) = (struct slice){ .end_ns = now_ns };
	c->touched = false;
}

/* A slice has had its work. */
static void end_by_work(struct curves *c, uint64_t now_ns)
{
	c->slices.at[c->slices.n - 1].by_work = true;
	*array_push(&c->work_ends) = now_ns;
	c->work_in_slice = 0;
	open_slice(c, now_ns);
}

/* A slice ends at a mark; if nothing happened since the last one ended, at that one's end. */
static void end_by_mark(struct curves *c, const struct pt_event *ev, uint64_t now_ns)
{
	const char *label = defs_string(&c->trace->defs, ev->addr);
	struct mark_border *border;

	if (c->ended || !label || !marks_note(&c->marks, label, ev->op == PT_OP_REGION_BEGIN, &border))
		return;
	border->slice = (uint32_t)c->slices.n - 1;
	if (c->touched || c->slices.n == 1)
		open_slice(c, now_ns);
	else
		border->slice--;
}

static void count_birth(struct curves *c, struct curve *curve, const struct change *change)
{
	bool work = c->all_is_work || c->working[change->node];

	if (c->ended)
		return;
	curve->births++;
	c->work += work;
	c->work_in_slice += work;
	c->slices.at[c->slices.n - 1].work += work;
}

/* Whether a block lived through several slices before it was given back (not moved, and not at the end). */
static bool is_late(const struct curves *c, const struct change *change)
{
	size_t n = c->work_ends.n;

	return !c->ended && change->whole && !change->moved && n > CURVES_LATE &&
	       change->born_ns < c->work_ends.at[n - 1 - CURVES_LATE];
}

static void apply(struct curves *c, const struct change *change, uint64_t now_ns)
{
	struct curve *curve;

	if (!c->ended && c->work_in_slice >= c->slice_work)
		end_by_work(c, now_ns);
	c->touched = true;
	curve = curve_of(c, change->node, change->layer);
	if (curve->slice != c->slices.n - 1)
		push_step(c, curve, (uint32_t)c->slices.n - 1);
	if (change->kind == BLOCK_DIED) {
		curve->bytes -= change->bytes;
		curve->blocks -= change->whole;
		curve->late_deaths += is_late(c, change);
		if (!change->moved && !c->ended)
			curve->freed_by = change->freed_by;
		return;
	}
	curve->bytes += change->bytes;
	curve->blocks += change->whole;
	if (change->kind == BLOCK_BORN)
		count_birth(c, curve, change);
}

static void on_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct curves *c = self;

	if (c->ended && c->end_is_old && now->ns > c->end_ns) {
		c->end_ns = now->ns;
		c->end_is_old = false;
	}
	if (now->ns > c->last_ns + CURVES_REST_NS)
		c->slices.at[c->slices.n - 1].rests++;
	c->last_ns = now->ns;
	for (size_t i = 0; i < n; i++) {
		if (pt_layer_counted((enum pt_layer)changes[i].layer))
			apply(c, &changes[i], now->ns);
	}
}

static void note_live(void *self, const struct live_block *b)
{
	struct curves *c = self;
	struct curve *curve;

	if (b->inherited || !pt_layer_counted((enum pt_layer)b->layer))
		return;
	curve = curve_of(c, b->node, b->layer);
	if (b->first_ns < curve->first_ns)
		curve->first_ns = b->first_ns;
	if (b->born_ns > curve->last_ns)
		curve->last_ns = b->born_ns;
}

/* This is the end, as far as is known now. */
static void set_end(struct curves *c, const struct replay_now *now, struct replay *r)
{
	for (size_t i = 0; i < c->curves.n; i++) {
		c->curves.at[i].first_ns = UINT64_MAX;
		c->curves.at[i].last_ns = 0;
	}
	replay_each_live(r, note_live, c);
	c->end_slice = (uint32_t)c->slices.n - 1;
	c->ended = c->end_is_old = true;
	c->end_ns = now->ns;
	open_slice(c, now->ns);
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct curves *c = self;

	if (ev->op == PT_OP_PY_FINI && !c->program_ended)
		set_end(c, now, r);
	else if (ev->op == PT_OP_PY_INIT)
		c->ended = c->program_ended = false;
	else if (ev->op == PT_OP_GC_END && !c->ended)
		c->slices.at[c->slices.n - 1].collected += ev->size;
	else if (ev->op == PT_OP_MARK || (ev->op == PT_OP_REGION_BEGIN && !ev->size))
		end_by_mark(c, ev, now->ns);
}

static void on_program_end(void *self, const struct replay_now *now, struct replay *r)
{
	struct curves *c = self;

	set_end(c, now, r);
	c->program_ended = true;
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct curves *c = self;

	if (!c->ended)
		set_end(c, now, r);
	if (c->end_is_old && c->trace->end_ns > c->end_ns)
		c->end_ns = c->trace->end_ns;
	for (size_t i = 0; i < c->curves.n; i++)
		push_step(c, &c->curves.at[i], (uint32_t)c->slices.n);
}

static uint64_t fact_of(const struct trace *t, const char *key)
{
	const char *value = defs_meta(&t->defs, key, NULL);

	return value ? strtoull(value, NULL, 10) : 0;
}

void curves_init(struct curves *c, struct trace *t)
{
	*c = (struct curves){ .trace = t };
	c->model = (struct model){ c, on_changes, on_event, on_finish, on_program_end };
	look_at_nodes(c, &t->defs);
	c->of_node = mem_map((t->defs.stacks.nodes.n + 2) * PT_LAYERS * sizeof *c->of_node);
	c->all_is_work = !defs_meta(&t->defs, "python.hexversion", NULL);
	c->waits = fact_of(t, "process.waits");
	c->slice_work = FIRST_WORK;
	*array_push(&c->slices) = (struct slice){ 0 };
}

/* Steps come in the order of time; a counting sort makes them the curves' own, still in the order of time. */
static void sort_steps(struct curves *c)
{
	struct curve_step *sorted = mem_alloc((c->steps.n + 1) * sizeof *sorted);
	size_t at = 0;

	for (size_t i = 0; i < c->steps.n; i++)
		c->curves.at[c->steps.at[i].curve].n_steps++;
	for (size_t i = 0; i < c->curves.n; i++) {
		c->curves.at[i].first_step = at;
		at += c->curves.at[i].n_steps;
		c->curves.at[i].n_steps = 0;
	}
	for (size_t i = 0; i < c->steps.n; i++) {
		struct curve *curve = &c->curves.at[c->steps.at[i].curve];

		sorted[curve->first_step + curve->n_steps++] = c->steps.at[i];
	}
	free(c->steps.at);
	c->steps.at = sorted;
	c->steps.cap = c->steps.n + 1;
}

void curves_finish(struct curves *c)
{
	sort_steps(c);
	if (c->slices.n > c->end_slice + 1)
		c->slices.n = c->end_slice + 1;
	while (c->marks.borders.n && c->marks.borders.at[c->marks.borders.n - 1].slice > c->end_slice)
		c->marks.borders.n--;
	for (size_t i = 0; i < c->curves.n; i++) {
		struct curve *curve = &c->curves.at[i];

		curve->bytes = curve->blocks = 0;
		curves_sum(c, curve, &c->end_slice, 1, &curve->bytes, &curve->blocks);
	}
}

void curves_times(const struct curves *c, const struct curve *curve, uint32_t slice, uint64_t *ret_first_ns,
		  uint64_t *ret_last_ns)
{
	const struct curve_step *step = c->steps.at + curve->first_step;
	uint64_t before = 0;

	*ret_first_ns = *ret_last_ns = 0;
	for (size_t i = 0; i < curve->n_steps && step[i].slice <= slice; i++) {
		uint64_t ns = c->slices.at[step[i].slice].end_ns;

		if (step[i].bytes && !*ret_first_ns)
			*ret_first_ns = ns;
		if (step[i].bytes > before)
			*ret_last_ns = ns;
		before = step[i].bytes;
	}
}

void curves_sum(const struct curves *c, const struct curve *curve, const uint32_t *at, size_t n, uint64_t *bytes,
		uint64_t *blocks)
{
	const struct curve_step *step = c->steps.at + curve->first_step, *end = step + curve->n_steps, *now = NULL;

	for (size_t i = 0; i < n; i++) {
		while (step < end && step->slice <= at[i])
			now = step++;
		bytes[i] += now ? now->bytes : 0;
		blocks[i] += now ? now->blocks : 0;
	}
}

void curves_free(struct curves *c)
{
	if (c->of_node)
		mem_unmap(c->of_node, (c->trace->defs.stacks.nodes.n + 2) * PT_LAYERS * sizeof *c->of_node);
	free(c->importing);
	free(c->working);
	array_free(&c->slices);
	array_free(&c->work_ends);
	marks_free(&c->marks);
	array_free(&c->curves);
	array_free(&c->steps);
	*c = (struct curves){ 0 };
}
