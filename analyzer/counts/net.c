/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/net.h"
#include "analyzer/models/lines.h"

#include <string.h>

enum {
	STEADY = 3,          /* times of a run after which the others should be like it */
	STEADY_MAX = 12,     /* or must be */
	RETURNED_MAX = 8,    /* at a time */
	VARIABLES_MAX = 256, /* of a thread that are remembered */
	PARTS_MAX = 24,      /* of an activation that are told apart: lines and functions of C */
	ALONE = PT_COUNT_BIRTH | PT_COUNT_START | PT_COUNT_UNSEEN | PT_COUNT_MERGED,
};

/* What an activation did to the count, by line of its statement and by function of C. */
struct net_part {
	int32_t line;
	node_id caller; /* of the native function; NODE_EMPTY: the line itself */
	int64_t sum;
	node_id node[2]; /* the last one that gave, took */
	uint64_t key[2]; /* their places among all changes */
	uint64_t ns[2];
	uint8_t flags;
};

/* An activation that goes on. */
struct group {
	uint32_t step;
	uint32_t parts; /* index in work.parts; to the next group's, or the end */
	uint64_t id;
	node_id at; /* the frame when it was seen last: its instruction */
	uint32_t thread;
	uint32_t n; /* changes */
};

/* A line that did nothing but bind a variable: `y = x`. */
struct variable {
	size_t entry;          /* its net change */
	uint32_t parent, code; /* of the activation: as net_step has them */
	node_id caller;        /* frame */
};

/* Activations of a thread, the outermost first. */
struct open_lines {
	uint32_t thread;
	uint64_t last_key; /* of its last change */
	node_id last_take; /* the frame, when the thread's last change was +1 by the line itself; NODE_EMPTY */
	ARRAY(struct group) groups;
	ARRAY(struct net_part) parts;
	ARRAY(struct variable) variables;
};

/* A net change on its way. */
struct entry {
	struct history_change c;
	uint64_t key;
	uint32_t run; /* the entries of a run that comes `times` times; 0: alone */
	bool dropped;
};

struct work {
	struct net_lines *lines;
	struct net *net;
	ARRAY(struct open_lines *) threads;
	ARRAY(struct entry) entries;
	uint64_t key, ids;
	uint32_t runs;
	size_t floor; /* entries before it are done with */
};

/* ---- what is left of an activation ---- */

static void emit(struct work *w, const struct history_change *c, uint64_t key)
{
	*array_push(&w->entries) = (struct entry){ .c = *c, .key = key };
}

static int64_t clamp(int64_t n) { return n < INT32_MIN ? INT32_MIN : n > INT32_MAX ? INT32_MAX : n; }

static void emit_part(struct work *w, const struct group *g, const struct net_part *p, int64_t delta)
{
	int sign = delta > 0;
	struct history_change c = {
		.ns = p->ns[sign],
		.last_ns = p->ns[sign],
		.delta = (int32_t)clamp(delta),
		.node = p->node[sign],
		.thread = g->thread,
		.times = 1,
		.period = 1,
		.flags = p->flags,
	};

	emit(w, &c, p->key[sign]);
}

static void note_variable(struct work *w, struct open_lines *o, const struct group *g)
{
	const struct net_step *step = &w->lines->steps.at[g->step];
	node_id node = o->parts.at[g->parts].node[1];

	if (node != g->at || !net_lines_binds(w->lines, node))
		return;
	if (o->variables.n == VARIABLES_MAX) {
		o->variables.n /= 2;
		memcpy(o->variables.at, o->variables.at + o->variables.n, o->variables.n * sizeof *o->variables.at);
	}
	*array_push(&o->variables) =
		(struct variable){ w->entries.n - 1, step->parent, step->code, net_lines_up(w->lines, node) };
}

/* The sum is shared out to parts of its sign, the latest first: those before it are what others undid. */
static void close_group(struct work *w, struct open_lines *o)
{
	struct group *g = &o->groups.at[--o->groups.n];
	int64_t rest = 0;

	for (size_t i = g->parts; i < o->parts.n; i++)
		rest += o->parts.at[i].sum;
	for (size_t i = o->parts.n; i-- > g->parts && rest;) {
		const struct net_part *p = &o->parts.at[i];
		int64_t share = p->sum;

		if ((share > 0) != (rest > 0) || !share)
			continue;
		if (rest > 0 ? share > rest : share < rest)
			share = rest;
		emit_part(w, g, p, share);
		rest -= share;
	}
	if (o->parts.n - g->parts == 1 && g->n == 1 && o->parts.at[g->parts].sum == 1)
		note_variable(w, o, g);
	o->parts.n = g->parts;
}

static struct net_part *part_for(struct open_lines *o, const struct group *g, int32_t line, node_id caller)
{
	for (size_t i = g->parts; i < o->parts.n; i++)
		if (o->parts.at[i].line == line && o->parts.at[i].caller == caller)
			return &o->parts.at[i];
	if (o->parts.n - g->parts >= PARTS_MAX)
		return &o->parts.at[o->parts.n - 1];
	*array_push(&o->parts) = (struct net_part){ .line = line, .caller = caller };
	return &o->parts.at[o->parts.n - 1];
}

static void add_change(struct work *w, struct open_lines *o, const struct history_change *c)
{
	struct net_lines *l = w->lines;
	struct group *g = &o->groups.at[o->groups.n - 1];
	node_id frame = net_lines_frame(l, c->node);
	node_id caller = c->node == frame ? NODE_EMPTY : net_lines_node(l, c->node)->parent;
	struct net_part *p = part_for(o, g, l->steps.at[g->step].line, caller);
	int sign = c->delta > 0;

	p->sum += c->delta;
	p->node[sign] = c->node;
	p->key[sign] = w->key;
	p->ns[sign] = c->ns;
	p->flags |= c->flags;
	g->n++;
}

/* ---- what a frame gives back ---- */

/* A function that returns one of its variables takes a reference for the caller and gives its own one when its frame
 * goes. Both together are nothing. Where the tracer can't tell that a frame goes, the caller runs again, at the call.
 */
static bool is_handed_over(struct net_lines *l, const struct open_lines *o, const struct history_change *c)
{
	const struct group *g = o->groups.n ? &o->groups.at[o->groups.n - 1] : NULL;
	uint32_t step;

	if (!g || c->delta != -1 || o->last_take != g->at || !net_lines_is_python(l, g->at))
		return false;
	step = net_lines_step(l, net_lines_frame(l, c->node));
	if (c->flags & PT_COUNT_LEAVES ? g->step != step
				       : c->node != net_lines_up(l, g->at) || l->steps.at[g->step].parent != step)
		return false;
	return net_lines_returns(l, g->at);
}

static void hand_over(struct open_lines *o)
{
	struct group *g = &o->groups.at[o->groups.n - 1];

	for (size_t i = o->parts.n; i-- > g->parts;)
		if (o->parts.at[i].key[1] == o->last_key) {
			o->parts.at[i].sum--;
			break;
		}
	o->last_take = NODE_EMPTY;
}

/* ---- which activations go on ---- */

static struct open_lines *open_in(struct work *w, uint32_t thread)
{
	struct open_lines *o;

	for (size_t i = 0; i < w->threads.n; i++)
		if (w->threads.at[i]->thread == thread)
			return w->threads.at[i];
	o = mem_zero(1, sizeof *o);
	o->thread = thread;
	return *array_push(&w->threads) = o;
}

/* Whether the frame goes on with the statement that the activation is of, on one of its first lines. */
static bool goes_on(struct net_lines *l, const struct group *g, node_id frame)
{
	uint32_t step = net_lines_step(l, frame); /* first: it may move the steps */
	const struct net_step *was = &l->steps.at[g->step], *is = &l->steps.at[step];
	struct pt_position p;

	if (was->code == NET_NATIVE || was->code != is->code || was->parent != is->parent || is->line >= was->line ||
	    net_lines_offset(l, frame) <= net_lines_offset(l, g->at))
		return false;
	p = net_lines_position(l, frame);
	return l->defs->codes.at[is->code].linetable != PT_LINETABLE_311 || p.end_line >= was->line;
}

/* Whether the activation goes on with this frame, which is as deep as it is. */
static bool keeps(struct net_lines *l, struct group *g, node_id frame)
{
	if (net_lines_step(l, frame) == g->step) {
		if (net_lines_offset(l, frame) < net_lines_offset(l, g->at))
			return false;
	} else if (!goes_on(l, g, frame)) {
		return false;
	}
	g->step = net_lines_step(l, frame);
	g->at = frame;
	return true;
}

/* The number of activations of the thread that go on when `frame` runs. */
static size_t kept(struct net_lines *l, struct open_lines *o, node_id frame)
{
	ARRAY(node_id) path = { 0 };
	size_t n = 0;

	/* The frame at the depth of each activation, the innermost first. */
	for (size_t i = o->groups.n; i-- > 0;) {
		uint32_t depth = l->steps.at[o->groups.at[i].step].depth;

		while (frame != NODE_EMPTY && net_lines_depth(l, frame) > depth)
			frame = net_lines_up(l, frame);
		*array_push(&path) = frame != NODE_EMPTY && net_lines_depth(l, frame) == depth ? frame : NODE_EMPTY;
	}
	while (n < o->groups.n && path.at[path.n - 1 - n] != NODE_EMPTY &&
	       keeps(l, &o->groups.at[n], path.at[path.n - 1 - n]))
		n++;
	array_free(&path);
	return n;
}

/* ---- what is returned is the caller's ---- */

struct returned {
	node_id to; /* the frame whose line has it now; NODE_EMPTY: nobody's */
	struct net_part part;
};

/* The frame on the way of `frame` whose line called what returned it; NODE_EMPTY when that line does not go on, or
 * somebody between them did not return it. */
static node_id receiver(struct net_lines *l, const struct group *g, node_id frame)
{
	node_id to = net_lines_up(l, g->at);

	for (; to != NODE_EMPTY; to = net_lines_up(l, to)) {
		node_id at = frame;

		while (at != NODE_EMPTY && net_lines_depth(l, at) > net_lines_depth(l, to))
			at = net_lines_up(l, at);
		if (at != NODE_EMPTY && net_lines_step(l, at) == net_lines_step(l, to))
			return at;
		if (!(net_lines_is_return(l, to)))
			break;
	}
	return NODE_EMPTY;
}

static struct returned take_returned(struct work *w, struct open_lines *o, node_id frame)
{
	struct group *g = o->groups.n ? &o->groups.at[o->groups.n - 1] : NULL;
	struct returned r = { NODE_EMPTY };
	int64_t sum = 0;

	for (size_t i = g ? g->parts : o->parts.n; i < o->parts.n; i++)
		sum += o->parts.at[i].sum;
	if (!g || sum != 1 || !(net_lines_is_return(w->lines, g->at)))
		return r;
	r.to = receiver(w->lines, g, frame);
	for (size_t i = o->parts.n; r.to != NODE_EMPTY && i-- > g->parts;)
		if (o->parts.at[i].sum > 0) {
			r.part = o->parts.at[i];
			r.part.sum = 1;
			o->parts.at[i].sum--;
			return r;
		}
	r.to = NODE_EMPTY;
	return r;
}

static void open_group(struct work *w, struct open_lines *o, node_id frame)
{
	*array_push(&o->groups) = (struct group){ .step = net_lines_step(w->lines, frame),
						  .parts = (uint32_t)o->parts.n,
						  .id = ++w->ids,
						  .at = frame,
						  .thread = o->thread };
}

static void put_returned(struct work *w, struct open_lines *o, const struct returned *r)
{
	struct net_lines *l = w->lines;
	struct net_part *p;

	if (r->to == NODE_EMPTY)
		return;
	if (!o->groups.n || o->groups.at[o->groups.n - 1].step != net_lines_step(l, r->to))
		open_group(w, o, r->to);
	o->groups.at[o->groups.n - 1].n++;
	p = part_for(o, &o->groups.at[o->groups.n - 1], r->part.line, r->part.node[1]);
	p->sum++;
	p->node[1] = r->part.node[1];
	p->key[1] = r->part.key[1];
	p->ns[1] = r->part.ns[1];
}

/* Closes all activations but the first n; `frame` runs now. */
static void close_down_to(struct work *w, struct open_lines *o, size_t n, node_id frame)
{
	struct returned returned[RETURNED_MAX];
	unsigned n_returned = 0;

	while (o->groups.n > n) {
		if (frame != NODE_EMPTY && n_returned < RETURNED_MAX)
			returned[n_returned++] = take_returned(w, o, frame);
		close_group(w, o);
	}
	for (unsigned i = 0; i < n_returned; i++)
		put_returned(w, o, &returned[i]);
}

/* ---- what a frame gives back ---- */

/* Whether the line of this frame, at this instruction, has taken more than it has given. */
static bool has_pushed(struct work *w, const struct open_lines *o, node_id frame)
{
	uint32_t step = net_lines_step(w->lines, frame);
	int64_t sum = 0;

	for (size_t i = o->groups.n; i-- > 0;) {
		const struct group *g = &o->groups.at[i];
		size_t end = i + 1 < o->groups.n ? o->groups.at[i + 1].parts : o->parts.n;

		if (g->step != step || net_lines_offset(w->lines, frame) < net_lines_offset(w->lines, g->at))
			continue;
		for (size_t k = g->parts; k < end; k++)
			sum += o->parts.at[k].sum;
		return sum > 0;
	}
	return false;
}

/* What a call's variable took goes with what its frame gives. `code`: of the call; UINT32_MAX: any. */
static bool unbind(struct work *w, struct open_lines *o, node_id caller, uint32_t code)
{
	uint32_t parent = caller == NODE_EMPTY ? 0 : net_lines_step(w->lines, caller);

	for (size_t i = o->variables.n; i-- > 0;) {
		const struct variable *v = &o->variables.at[i];

		if (v->entry < w->floor || v->caller != caller || v->parent != parent ||
		    (code != UINT32_MAX && v->code != code))
			continue;
		w->entries.at[v->entry].dropped = true;
		o->variables.n--;
		memmove(&o->variables.at[i], &o->variables.at[i + 1], (o->variables.n - i) * sizeof *o->variables.at);
		return true;
	}
	return false;
}

static void add_to_line(struct work *w, struct open_lines *o, const struct history_change *c)
{
	struct net_lines *l = w->lines;
	node_id frame = net_lines_frame(l, c->node);

	o->last_take = c->delta == 1 && c->node == frame ? frame : NODE_EMPTY;
	o->last_key = w->key;
	if (!o->groups.n || o->groups.at[o->groups.n - 1].at != frame)
		close_down_to(w, o, kept(l, o, frame), frame);
	if (!o->groups.n || o->groups.at[o->groups.n - 1].step != net_lines_step(l, frame))
		open_group(w, o, frame);
	add_change(w, o, c);
}

/* The activations of what `frame` called are over. */
static void close_all_above(struct work *w, struct open_lines *o, node_id frame)
{
	close_down_to(w, o, frame == NODE_EMPTY ? 0 : kept(w->lines, o, frame), frame);
}

/* Where the tracer can't tell that a frame goes, its caller runs again, at the call: then what the caller's line gives
 * beyond what it took was a variable of the call. */
static bool was_left(struct work *w, struct open_lines *o, const struct history_change *c)
{
	if (c->delta != -1 || !net_lines_is_python(w->lines, c->node) || has_pushed(w, o, c->node))
		return false;
	close_all_above(w, o, c->node);
	return unbind(w, o, c->node, UINT32_MAX);
}

/* A frame gives back what it held: first the arguments that its caller's line had pushed. The rest are its variables.
 */
static void leave(struct work *w, struct open_lines *o, const struct history_change *c)
{
	node_id frame = net_lines_frame(w->lines, c->node), caller = net_lines_up(w->lines, frame);
	struct history_change given = *c;

	if (caller == NODE_EMPTY || !has_pushed(w, o, caller)) {
		o->last_take = NODE_EMPTY;
		close_all_above(w, o, caller);
		if (c->delta != -1 || !unbind(w, o, caller, net_lines_node(w->lines, frame)->code))
			emit(w, c, w->key);
		return;
	}
	given.node = caller;
	given.flags &= (uint8_t)~PT_COUNT_LEAVES;
	add_to_line(w, o, &given);
}

static void feed(struct work *w, const struct history_change *c)
{
	struct open_lines *o;

	w->key++;
	if (c->flags & ALONE || c->node <= NODE_UNKNOWN) {
		if (c->delta || !(c->flags & PT_COUNT_MERGED))
			emit(w, c, w->key);
		return;
	}
	o = open_in(w, c->thread);
	if (is_handed_over(w->lines, o, c))
		hand_over(o);
	else if (c->flags & PT_COUNT_LEAVES)
		leave(w, o, c);
	else if (was_left(w, o, c))
		o->last_take = NODE_EMPTY;
	else
		add_to_line(w, o, c);
}

/* ---- runs ---- */

/* Sums of activations that were open before a time of a run. */
struct before {
	uint64_t group;
	size_t part; /* counted from the group's first */
	int64_t sum;
};
struct befores {
	ARRAY(struct before) at;
};

static void each_part(struct work *w, void (*each)(void *self, const struct group *g, size_t i, struct net_part *p),
		      void *self)
{
	for (size_t t = 0; t < w->threads.n; t++) {
		struct open_lines *o = w->threads.at[t];

		for (size_t g = 0; g < o->groups.n; g++) {
			size_t end = g + 1 < o->groups.n ? o->groups.at[g + 1].parts : o->parts.n;

			for (size_t i = o->groups.at[g].parts; i < end; i++)
				each(self, &o->groups.at[g], i - o->groups.at[g].parts, &o->parts.at[i]);
		}
	}
}

static void note_sum(void *self, const struct group *g, size_t i, struct net_part *p)
{
	struct befores *b = self;

	*array_push(&b->at) = (struct before){ g->id, i, p->sum };
}

struct more {
	const struct befores *before;
	uint32_t times;
	int64_t grown; /* what open sums changed by */
};

static const struct before *find_before(const struct befores *b, const struct group *g, size_t part)
{
	for (size_t i = 0; i < b->at.n; i++)
		if (b->at.at[i].group == g->id && b->at.at[i].part == part)
			return &b->at.at[i];
	return NULL;
}

static bool was_open(const struct befores *b, const struct group *g)
{
	for (size_t i = 0; i < b->at.n; i++)
		if (b->at.at[i].group == g->id)
			return true;
	return false;
}

static void note_growth(void *self, const struct group *g, size_t i, struct net_part *p)
{
	struct more *m = self;
	const struct before *before = find_before(m->before, g, i);

	if (was_open(m->before, g))
		m->grown += p->sum - (before ? before->sum : 0);
}

static void add_times(void *self, const struct group *g, size_t i, struct net_part *p)
{
	struct more *m = self;
	const struct before *before = find_before(m->before, g, i);

	if (was_open(m->before, g))
		p->sum += (p->sum - (before ? before->sum : 0)) * m->times;
}

static void feed_time(struct work *w, const struct history_change *run, uint32_t time)
{
	for (unsigned i = 0; i < run->period; i++) {
		struct history_change c = run[i];

		c.ns = time ? c.last_ns : c.ns;
		c.times = c.period = 1;
		c.place = 0;
		feed(w, &c);
	}
}

/* Whether one more time closes as much as the last one did, and adds as much to what stays open: then all will. */
static bool is_steady(struct work *w, const struct history_change *run, size_t first, struct more *more)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < run->period; i++)
		sum -= run[i].delta;
	for (size_t i = first; i < w->entries.n; i++)
		sum += w->entries.at[i].dropped ? 0 : w->entries.at[i].c.delta;
	more->grown = 0;
	each_part(w, note_growth, more);
	return sum + more->grown == 0;
}

static void weigh(struct work *w, size_t first, struct more *more)
{
	each_part(w, add_times, more);
	w->runs++;
	for (size_t i = first; i < w->entries.n; i++) {
		w->entries.at[i].c.times = more->times + 1;
		w->entries.at[i].run = w->runs;
	}
}

/* What comes out different each time is left as it is. */
static void emit_raw(struct work *w, const struct history_change *run, uint32_t times)
{
	w->runs++;
	for (unsigned i = 0; i < run->period; i++) {
		struct history_change c = run[i];

		c.ns = c.last_ns;
		c.times = times;
		emit(w, &c, ++w->key);
		w->entries.at[w->entries.n - 1].run = w->runs;
	}
}

/* The first times close what was open before; soon each one is like the one before: the same activations open, go on
 * and close. Then the rest are so many of these. */
static void feed_run(struct work *w, const struct history_change *run)
{
	uint32_t time = 0;

	for (; time + 1 < STEADY && time < run->times; time++)
		feed_time(w, run, time);
	while (time < run->times) {
		struct befores before = { 0 };
		struct more more = { .before = &before, .times = run->times - ++time };
		size_t first = w->entries.n;
		bool steady;

		each_part(w, note_sum, &before);
		w->floor = more.times ? first : w->floor;
		feed_time(w, run, STEADY);
		steady = more.times && is_steady(w, run, first, &more);
		if (steady)
			weigh(w, first, &more);
		else if (more.times && time > STEADY_MAX)
			emit_raw(w, run, more.times);
		w->floor = more.times ? w->entries.n : w->floor;
		if (steady || time > STEADY_MAX)
			time = run->times;
		array_free(&before.at);
	}
}

/* ---- putting them into order ---- */

static int by_key(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->c.delta > b->c.delta ? -1 : a->c.delta < b->c.delta;
}

/* x (s t x) (s t x) is (x s t) (x s t) x: the run then starts where it started, and its rest may be one more time. */
static unsigned rotate(struct net *n, struct history_change *run, unsigned period)
{
	unsigned turned = 0;

	while (turned < STEADY * period && n->n && n->changes[n->n - 1].times == 1 &&
	       history_is_same(&n->changes[n->n - 1], &run[period - 1])) {
		struct history_change last = run[period - 1];

		last.ns = n->changes[--n->n].ns;
		memmove(run + 1, run, (period - 1) * sizeof *run);
		run[0] = last;
		for (unsigned i = 0; i < period; i++)
			run[i].place = (uint8_t)i;
		turned++;
	}
	return turned;
}

static void push(struct net *n, uint8_t *matched, const struct history_change *c)
{
	history_push(&n->changes, &n->n, &n->cap, matched, c);
}

/* Entries of a run stand together, unless another thread came between them: then each is on its own. */
static void push_run(struct net *n, uint8_t *matched, const struct entry *e, unsigned period)
{
	struct history_change run[HISTORY_PERIOD];
	unsigned turned;

	for (unsigned i = 0; i < period; i++) {
		run[i] = e[i].c;
		run[i].period = (uint8_t)period;
		run[i].place = (uint8_t)i;
	}
	turned = rotate(n, run, period);
	memset(matched, 0, HISTORY_PERIOD + 1);
	for (unsigned i = 0; i < period; i++) {
		push(n, matched, &run[i]);
		memset(matched, 0, HISTORY_PERIOD + 1);
	}
	for (unsigned i = 0; i < turned; i++) {
		struct history_change c = run[i % period];

		c.times = c.period = 1;
		c.place = 0;
		c.ns = c.last_ns;
		push(n, matched, &c);
	}
}

static unsigned run_length(const struct entry *e, size_t left)
{
	unsigned n = 1;

	while (e->run && n < left && e[n].run == e->run && !e[n].dropped)
		n++;
	return n <= HISTORY_PERIOD ? n : 1;
}

static void number(struct net *n)
{
	int64_t count = 0;

	for (size_t i = 0; i < n->n; i += n->changes[i].period) {
		int64_t sum = 0, before = count;

		for (unsigned k = 0; k < n->changes[i].period; k++) {
			struct history_change *c = &n->changes[i + k];

			count = c->flags & PT_COUNT_START ? c->count : count + c->delta;
			sum += c->delta;
			c->count = (int32_t)clamp(count);
		}
		if (n->changes[i].times > 1)
			count = before + sum * n->changes[i].times;
	}
}

static void put_in_order(struct work *w)
{
	uint8_t matched[HISTORY_PERIOD + 1] = { 0 };

	if (w->entries.n)
		qsort(w->entries.at, w->entries.n, sizeof *w->entries.at, by_key);
	for (size_t i = 0; i < w->entries.n;) {
		unsigned n = run_length(&w->entries.at[i], w->entries.n - i);

		if (w->entries.at[i].dropped) {
			i++;
			continue;
		}
		if (w->entries.at[i].c.times == 1 && n == 1)
			push(w->net, matched, &w->entries.at[i].c);
		else
			push_run(w->net, matched, &w->entries.at[i], n);
		i += n;
	}
	number(w->net);
}

void net_make(struct net *ret, struct net_lines *lines, const struct history *h)
{
	struct work w = { .lines = lines, .net = ret };

	*ret = (struct net){ 0 };
	for (size_t i = 0; i < h->n; i += h->changes[i].period)
		feed_run(&w, &h->changes[i]);
	for (size_t i = 0; i < w.threads.n; i++) {
		while (w.threads.at[i]->groups.n)
			close_group(&w, w.threads.at[i]);
		array_free(&w.threads.at[i]->groups);
		array_free(&w.threads.at[i]->parts);
		array_free(&w.threads.at[i]->variables);
		free(w.threads.at[i]);
	}
	put_in_order(&w);
	array_free(&w.threads);
	array_free(&w.entries);
}

void net_free(struct net *n)
{
	free(n->changes);
	*n = (struct net){ 0 };
}
