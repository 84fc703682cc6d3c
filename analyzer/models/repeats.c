/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/repeats.h"

#include <string.h>

#define NO_RUN SIZE_MAX

/* ---- runs ---- */

static void close_run(struct repeats *r, uint64_t ns)
{
	struct repeats_run *run = &r->runs.at[r->runs.n - 1];

	run->end_ns = ns;
	run->last = r->made;
	r->is_open = false;
}

static void open_run(struct repeats *r, const struct replay_now *now)
{
	*array_push(&r->runs) = (struct repeats_run){
		.begin_ns = now->ns, .first = r->made + 1, .last = UINT64_MAX, .thread = now->thread, .epoch = 1
	};
	r->is_open = true;
}

static void on_mark(struct repeats *r, const char *label, const struct replay_now *now)
{
	bool begins = !strcmp(label, r->begin);

	if (r->is_open && (begins || !r->end || !strcmp(label, r->end)))
		close_run(r, now->ns);
	if (begins)
		open_run(r, now);
}

/* In which a block was made. */
static size_t run_of(const struct repeats *r, uint64_t number)
{
	size_t low = 0, high = r->runs.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->runs.at[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->runs.n && r->runs.at[low].first <= number ? low : NO_RUN;
}

/* ---- cells ---- */

static struct repeats_cell *cell_at(struct repeats *r, node_id node, size_t run)
{
	uint32_t *at = map_at(&r->cell_of, (uint64_t)node << 32 | (uint32_t)run);

	if (*at == MAP_NONE) {
		*at = (uint32_t)r->cells.n;
		*array_push(&r->cells) = (struct repeats_cell){ .node = node, .run = (uint32_t)run };
	}
	return &r->cells.at[*at];
}

/* Before what a cell holds of its own run changes: what it held at the last peak. */
static void settle(struct repeats_cell *cell, const struct repeats_run *run)
{
	if (cell->epoch != run->epoch)
		cell->peak_bytes = cell->own_bytes;
	cell->epoch = run->epoch;
}

static bool is_mine(const struct repeats *r, const struct repeats_run *run, const struct change *c)
{
	return !r->thread_only || c->thread == run->thread;
}

/* A block of a run is alive, or again, or no more. */
static void count_own(struct repeats *r, size_t i, const struct change *c, int64_t sign)
{
	struct repeats_run *run = &r->runs.at[i];
	struct repeats_cell *cell = cell_at(r, c->node, i);
	uint64_t bytes = (uint64_t)sign * c->bytes, blocks = (uint64_t)sign * c->whole;

	cell->left.bytes += bytes;
	cell->left.blocks += blocks;
	run->left.bytes += bytes;
	run->left.blocks += blocks;
	if (!r->is_open || i + 1 != r->runs.n)
		return;
	settle(cell, run);
	cell->own_bytes += bytes;
	run->own_bytes += bytes;
	if (run->own_bytes > run->peak_bytes) {
		run->peak_bytes = run->own_bytes;
		run->epoch++;
	}
}

/* The change counts for the run that is going on, or for the next one; `runs.n` is not there yet. */
static void count_rise(struct repeats *r, const struct change *c, int64_t sign)
{
	struct repeats_cell *cell = cell_at(r, c->node, r->is_open ? r->runs.n - 1 : r->runs.n);

	cell->layers |= (uint8_t)(1u << c->layer);
	cell->rise_bytes += sign * (int64_t)c->bytes;
	cell->rise_blocks += sign * c->whole;
}

static void apply(struct repeats *r, const struct change *c)
{
	int64_t sign = c->kind == BLOCK_DIED ? -1 : 1;
	size_t run;

	if (c->number > r->made)
		r->made = c->number;
	if (!r->runs.n || !pt_layer_counted((enum pt_layer)c->layer))
		return;
	run = run_of(r, c->number);
	if (run == NO_RUN ? c->number >= r->runs.at[0].first : !is_mine(r, &r->runs.at[run], c))
		return; /* made between two runs, or by another thread: no run's, when it is born and when it dies */
	if (run != NO_RUN)
		count_own(r, run, c, sign);
	if (r->is_open || (run != NO_RUN && sign < 0))
		count_rise(r, c, sign);
	if (c->kind == BLOCK_BORN && run != NO_RUN) {
		r->runs.at[run].made.bytes += c->bytes;
		r->runs.at[run].made.blocks++;
	}
}

/* ---- the model ---- */

static void on_changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	struct repeats *r = self;

	(void)now;
	for (size_t i = 0; i < n && !r->is_over; i++)
		apply(r, &c[i]);
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *replay)
{
	struct repeats *r = self;
	const char *label = ev->op == PT_OP_MARK ? defs_string(&r->trace->defs, ev->addr) : NULL;

	(void)replay;
	if (ev->op == PT_OP_PY_FINI || ev->op == PT_OP_PY_INIT)
		r->is_over = ev->op == PT_OP_PY_FINI;
	if (label && !r->is_over)
		on_mark(r, label, now);
}

static void on_finish(void *self, const struct replay_now *now, struct replay *replay)
{
	struct repeats *r = self;

	(void)replay;
	if (r->is_open)
		close_run(r, now->ns);
	for (size_t i = 0; i < r->cells.n; i++) {
		struct repeats_cell *cell = &r->cells.at[i];

		if (cell->run >= r->runs.n)
			continue;
		settle(cell, &r->runs.at[cell->run]);
		r->runs.at[cell->run].rise_bytes += cell->rise_bytes;
		r->runs.at[cell->run].rise_blocks += cell->rise_blocks;
	}
}

void repeats_init(struct repeats *r)
{
	r->model = (struct model){ .self = r, .changes = on_changes, .event = on_event, .finish = on_finish };
}

void repeats_free(struct repeats *r)
{
	array_free(&r->runs);
	array_free(&r->cells);
	map_free(&r->cell_of);
}
