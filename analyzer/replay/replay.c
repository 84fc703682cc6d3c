/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: events to births and deaths
 *
 * The inner loop takes each event through one switch and leaves at most two changes in a buffer; models see the buffer
 * when it is full, when the time changes, and before every event that is not about memory.
 */
#include "analyzer/replay/replay_parts.h"
#include "analyzer/base/path.h"
#include "analyzer/replay/order.h"

#include <string.h>

enum {
	FAR_AHEAD = 16,            /* events: a place is asked for, ... */
	NEAR_AHEAD = 8,            /* ... then its entry */
	PROGRESS_EVENTS = 1 << 20, /* how often the watcher is called */
	MAX_GENERATIONS = 64,      /* forks of forks whose traces are looked for */
};

/* What an op asks for, looked up once per event. The first eight are enum pt_memory_kind. */
enum action { ACT_PAIR = 8, ACT_CLOCK, ACT_THREAD, ACT_SWITCH, ACT_UNKNOWN };

/* ---- blocks ---- */

/* Somebody had this address, and we never saw it given back. */
static void drop_lost(struct replay *r, struct live *l, uint32_t *place)
{
	struct live_entry old = *live_at(l, *place);

	r->counts.lost_frees++;
	live_remove(l, place);
	replay_tell_died(r, &old, true);
}

/* Moved while recording was stopped: it stays what it was. */
static inline bool is_kept(const struct pt_event *ev, const struct in_flight *old)
{
	return __builtin_expect(ev->stack == PT_STACK_KEPT, 0) && old && old->moving_known;
}

static inline void on_made(struct replay *r, const struct pt_event *ev, const struct in_flight *old)
{
	uint8_t layer = pt_op_layer(ev->op);
	struct live *l = replay_table(r, layer);
	uint32_t *place = live_place(l, replay_addr(ev));
	struct live_entry *e;

	if (*place)
		drop_lost(r, l, place);
	r->counts.allocations++;
	e = live_add(l, place);
	*e = (struct live_entry){
		.addr = replay_addr(ev),
		.layer = layer,
		.bytes = ev->size,
		.number = r->counts.allocations,
		.born_ns = r->now.ns,
		.first_ns = old && old->moving_known ? old->moved.first_ns : r->now.ns,
		.node = defs_node(&r->t->defs, ev->stack),
		.maker = r->maker,
	};
	if (is_kept(ev, old)) {
		e->node = old->moved.node;
		e->maker = old->moved.maker;
	}
	replay_tell_born(r, e, old != NULL);
}

/* Once recording has been stopped there are blocks that nobody was told of: that is no error. */
static void free_unknown(struct replay *r, uint8_t layer)
{
	if (!r->was_paused) {
		r->counts.unknown_frees++;
		return;
	}
	r->counts.stopped_frees++;
	if (!r->paused && !r->fini)
		unseen_add(&r->counts.unseen, r->counts.allocations, layer);
}

static inline void on_free(struct replay *r, const struct pt_event *ev)
{
	struct live *l = replay_table(r, pt_op_layer(ev->op));
	uint32_t *place = live_find(l, replay_addr(ev));
	bool typed = pt_op_has_type(ev->op) && ev->size;

	r->counts.frees++;
	if (!place || !*place) {
		free_unknown(r, pt_op_layer(ev->op));
		return;
	}
	replay_tell_freed(r, live_at(l, *place), false,
			  typed ? typedefs_find(&r->t->defs.types, ev->size) : TYPEDEF_UNKNOWN,
			  defs_node(&r->t->defs, ev->stack));
	live_remove(l, place);
}

/* ---- realloc ---- */

/* The end of a realloc was lost: most likely it succeeded. */
static void move_is_lost(struct replay *r, struct in_flight *f)
{
	r->counts.unmatched_moves++;
	if (f->moving_known)
		replay_tell_died(r, &f->moved, true);
	f->moving = f->moving_known = false;
}

static void on_move_begin(struct replay *r, const struct pt_event *ev, struct in_flight *f)
{
	struct live *l = replay_table(r, pt_op_layer(ev->op));
	uint32_t *place = live_find(l, replay_addr(ev));

	if (f->moving)
		move_is_lost(r, f);
	f->moving = true;
	f->moving_known = place && *place;
	if (f->moving_known) {
		f->moved = *live_at(l, *place);
		live_remove(l, place);
	} else {
		free_unknown(r, pt_op_layer(ev->op));
	}
}

static void on_move_end(struct replay *r, const struct pt_event *ev, struct in_flight *f)
{
	if (!f->moving)
		r->counts.unmatched_moves++;
	if (f->moving_known)
		replay_tell_died(r, &f->moved, true);
	if (ev->stack != PT_STACK_KEPT || f->moving_known)
		on_made(r, ev, f);
	f->moving = f->moving_known = false;
}

static void on_move_fail(struct replay *r, const struct pt_event *ev, struct in_flight *f)
{
	struct live *l = replay_table(r, pt_op_layer(ev->op));

	if (!f->moving)
		r->counts.unmatched_moves++;
	if (f->moving_known) {
		uint32_t *place = live_place(l, f->moved.addr);

		if (*place)
			drop_lost(r, l, place);
		*live_add(l, place) = f->moved;
	}
	f->moving = f->moving_known = false;
}

/* ---- everything else ---- */

static void on_pause(struct replay *r, bool paused)
{
	r->paused = paused;
	r->was_paused = true;
	r->paused_number = r->counts.allocations;
}

static void on_pair(struct replay *r, const struct pt_event *ev)
{
	replay_flush(r);
	if (ev->op == PT_OP_MARK || ev->op == PT_OP_REGION_BEGIN || ev->op == PT_OP_REGION_END)
		scope_event(&r->scope, ev, &r->t->defs, r->now.thread, r->task_in_thread[r->now.thread]);
	if (ev->op == PT_OP_PY_INIT || ev->op == PT_OP_PY_FINI)
		r->fini = ev->op == PT_OP_PY_FINI;
	if (ev->op == PT_OP_PAUSE || ev->op == PT_OP_RESUME)
		on_pause(r, ev->op == PT_OP_PAUSE);
	for (size_t i = 0; i < r->n_models; i++)
		if (r->models[i]->event)
			r->models[i]->event(r->models[i]->self, ev, &r->now, r);
}

static void on_thread(struct replay *r, const struct pt_event *ev)
{
	struct trace_thread *t = &r->t->threads.at[r->now.thread];

	t->tid = (uint32_t)ev->addr;
	t->first_ns = r->now.ns;
}

static void on_switch(struct replay *r, const struct pt_event *ev)
{
	uint32_t thread = r->now.thread, task = tasks_find(&r->t->defs.tasks, ev->addr);
	uint32_t *maker = task ? map_at(&r->maker_of, (uint64_t)thread << 32 | task) : NULL;

	replay_flush(r);
	r->task_in_thread[thread] = ev->addr;
	if (maker && *maker == MAP_NONE) {
		*maker = (uint32_t)r->makers.n;
		*array_push(&r->makers) = (struct maker){ thread, task };
	}
	r->maker = r->maker_in_thread[thread] = maker ? *maker : thread;
}

/* Block events to come: see live.h. The distances were measured; half or twice as much makes no difference. */
__attribute__((always_inline)) static inline void look_ahead(const struct replay *r, const struct pt_event *ev,
							     const struct pt_event *readable_end)
{
	const struct pt_event *far = ev + FAR_AHEAD, *near = ev + NEAR_AHEAD;

	if (far >= readable_end)
		return;
	if (r->action[far->op] < PT_MAP)
		live_prefetch_place(&r->live, replay_addr(far));
	if (r->action[near->op] < PT_MAP && r->action[near->op] != PT_ALLOC)
		live_prefetch_entry(&r->live, replay_addr(near));
}

static void play_batch(struct replay *r, const struct batch *b)
{
	struct in_flight *f = &r->threads[b->thread];

	if (r->now.ns != b->ns || r->now.thread != b->thread)
		replay_flush(r);
	r->now = (struct replay_now){ b->ns, b->first, b->thread };
	if (b->after_gap && f->moving)
		move_is_lost(r, f);
	if (b->after_gap) {
		replay_forget_cuts(r, f);
		r->task_in_thread[b->thread] = 0;
		r->maker_in_thread[b->thread] = b->thread; /* a switch may be among what is missing */
	}
	r->maker = r->maker_in_thread[b->thread];
	for (const struct pt_event *ev = b->events, *end = ev + b->n; ev < end; ev++) {
		look_ahead(r, ev, b->events + b->n_readable);
		r->now.number++;
		switch (r->action[ev->op]) {
		case PT_ALLOC: on_made(r, ev, NULL); break;
		case PT_FREE: on_free(r, ev); break;
		case PT_MOVE_BEGIN: on_move_begin(r, ev, f); break;
		case PT_MOVE_END: on_move_end(r, ev, f); break;
		case PT_MOVE_FAIL: on_move_fail(r, ev, f); break;
		case PT_MAP: replay_map(r, ev, f); break;
		case PT_UNMAP: replay_unmap(r, ev, f); break;
		case PT_UNMAP_FAIL: replay_unmap_fail(r, f); break;
		case ACT_CLOCK: break;
		case ACT_THREAD:
			on_thread(r, ev);
			on_pair(r, ev);
			break;
		case ACT_SWITCH:
			on_switch(r, ev);
			on_pair(r, ev);
			break;
		case ACT_PAIR: on_pair(r, ev); break;
		default: r->counts.unknown_events++;
		}
	}
	r->counts.events += b->n;
}

static bool ends_program(const struct replay *r, const struct batch *b)
{
	return r->ending.found && b->part == r->ending.part && r->ending.event - b->at < b->n;
}

/* Plays a batch with the program's end in the middle. */
static void play_ending(struct replay *r, const struct batch *b)
{
	size_t n = r->ending.event - b->at + 1;
	struct batch program = *b, rest = *b;

	program.n = n;
	play_batch(r, &program);
	replay_flush(r);
	for (size_t i = 0; i < r->n_models; i++)
		if (r->models[i]->program_end)
			r->models[i]->program_end(r->models[i]->self, &r->now, r);
	rest.events += n;
	rest.n -= n;
	rest.n_readable -= n;
	rest.first += n;
	rest.at += n;
	rest.after_gap = false;
	if (rest.n)
		play_batch(r, &rest);
}

static void set_actions(struct replay *r)
{
	const struct defs *d = &r->t->defs;

	for (unsigned op = 0; op < 256; op++)
		r->action[op] = !d->knows[op]           ? ACT_UNKNOWN
				: op < PT_OP_MEMORY_END ? pt_op_kind((uint8_t)op)
							: ACT_PAIR;
	r->action[PT_OP_RUN] = r->action[PT_OP_RUN] == ACT_PAIR ? ACT_CLOCK : ACT_UNKNOWN;
	r->action[PT_OP_TIME] = r->action[PT_OP_TIME] == ACT_PAIR ? ACT_CLOCK : ACT_UNKNOWN;
	r->action[PT_OP_SWITCH] = r->action[PT_OP_SWITCH] == ACT_PAIR ? ACT_SWITCH : ACT_UNKNOWN;
	r->action[PT_OP_THREAD] = r->action[PT_OP_THREAD] == ACT_PAIR ? ACT_THREAD : ACT_UNKNOWN;
}

static void replay_init(struct replay *r, struct trace *t, struct model *const models[], size_t n_models)
{
	*r = (struct replay){
		.t = t,
		.models = models,
		.n_models = n_models,
		.threads = mem_zero(t->threads.n, sizeof *r->threads),
		.maker_in_thread = mem_zero(t->threads.n, sizeof *r->maker_in_thread),
		.task_in_thread = mem_zero(t->threads.n, sizeof *r->task_in_thread),
	};
	for (uint32_t i = 0; i < t->threads.n || !i; i++)
		*array_push(&r->makers) = (struct maker){ .thread = i };
	for (uint32_t i = 0; i < t->threads.n; i++)
		r->maker_in_thread[i] = i;
	live_init(&r->live);
	live_init(&r->overlay);
	set_actions(r);
}

static void replay_done(struct replay *r)
{
	for (size_t i = 0; i < r->t->threads.n; i++)
		array_free(&r->threads[i].cuts);
	free(r->threads);
	free(r->maker_in_thread);
	free(r->task_in_thread);
	array_free(&r->makers);
	map_free(&r->maker_of);
	live_free(&r->live);
	live_free(&r->overlay);
	ranges_free(&r->ranges);
	scope_free(&r->scope);
}

/* ---- the process that forked this one ---- */

static void play(struct replay *r, const struct replay_options *options, int generation);

/* Stops the replay of a parent at the fork. */
struct fork_model {
	uint64_t serial;
	struct replay *child;
	bool found;
};

static void inherit(void *self, const struct live_block *b)
{
	struct replay *r = self;

	r->counts.inherited_blocks += b->whole && pt_layer_counted((enum pt_layer)b->layer);
	r->counts.inherited_bytes += pt_layer_counted((enum pt_layer)b->layer) ? b->bytes : 0;
	if (b->mapping) {
		ranges_add(&r->ranges, b->addr, b->addr + b->bytes,
			   &(struct mapping){ .layer = b->layer, .inherited = true });
	} else {
		struct live *l = replay_table(r, b->layer);
		uint32_t *place = live_place(l, b->addr);

		if (!*place)
			*live_add(l, place) = (struct live_entry){
				.addr = b->addr, .layer = b->layer, .bytes = b->bytes, .flags = LIVE_INHERITED
			};
	}
}

static void fork_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct fork_model *f = self;

	(void)now;
	if (ev->op != PT_OP_FORK || ev->addr != f->serial || f->found)
		return;
	f->found = true;
	replay_each_live(r, inherit, f->child);
	r->stop = true;
}

/* The path of a file beside the trace. */
static char *beside(const struct trace *t, const char *name)
{
	size_t dir = (size_t)(path_name(t->file) - t->file);
	char *path = mem_alloc(dir + strlen(name) + 1);

	memcpy(path, t->file, dir);
	strcpy(path + dir, name);
	return path;
}

/* Fills the table with what was alive in the parent when it forked. Without its trace, releases of such blocks count
 * as unknown. */
static void inherit_from_parent(struct replay *r, const struct replay_options *options, int generation)
{
	const struct pt_front *front = &r->t->front;
	struct fork_model fork = { .serial = front->fork_serial, .child = r };
	struct model model = { .self = &fork, .event = fork_event };
	struct model *const models[] = { &model };
	struct trace parent = { 0 };
	struct replay *pr = mem_alloc(sizeof *pr);
	char *path = beside(r->t, front->parent_file);

	if (!strchr(front->parent_file, '/') && !trace_open(&parent, path, NULL) &&
	    parent.front.id == front->parent_id) {
		replay_init(pr, &parent, models, 1);
		play(pr, options, generation + 1);
		replay_done(pr);
	}
	r->counts.parent_missing = !fork.found;
	trace_close(&parent);
	free(path);
	free(pr);
}

static void play(struct replay *r, const struct replay_options *options, int generation)
{
	struct order *o;
	struct batch b;
	uint64_t watched = 0;

	if (r->t->front.parent_id && r->t->front_is_sound && !options->no_parent && generation < MAX_GENERATIONS)
		inherit_from_parent(r, options, generation);
	o = order_new(r->t, options->n_workers);
	while (!r->stop && order_next(o, &b)) {
		if (ends_program(r, &b))
			play_ending(r, &b);
		else
			play_batch(r, &b);
		if (options->progress && b.first - watched > PROGRESS_EVENTS && generation == 0) {
			options->progress(options->progress_self, order_bytes_done(o), order_bytes_total(o));
			watched = b.first;
		}
	}
	replay_flush(r);
	if (options->progress && generation == 0)
		options->progress(options->progress_self, order_bytes_total(o), order_bytes_total(o));
	order_free(o);
}

void replay_run(struct trace *t, const struct replay_options *options, struct model *const models[], size_t n_models,
		struct replay_counts *ret_counts)
{
	struct replay *r = mem_alloc(sizeof *r);

	replay_init(r, t, models, n_models);
	r->scope = (struct scope){ .region = options->region, .mark = options->mark };
	for (size_t i = 0; i < n_models && !r->ending.found; i++)
		if (models[i]->program_end) {
			r->ending = ending_find(t);
			break;
		}
	play(r, options, 0);
	for (size_t i = 0; i < n_models; i++)
		if (models[i]->finish)
			models[i]->finish(models[i]->self, &r->now, r);
	r->counts.entered_region = r->scope.entered_region;
	r->counts.entered_mark = r->scope.entered_mark;
	*ret_counts = r->counts;
	replay_done(r);
	free(r);
}
