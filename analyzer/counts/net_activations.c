/* SPDX-License-Identifier: Apache-2.0 */
/* net_activations: what each activation of a line does to the count. Its rules are those of net.h. */
#include "analyzer/counts/net_parts.h"
#include "analyzer/models/lines.h"

#include <string.h>

enum {
	RETURNED_MAX = 8,    /* at a time */
	VARIABLES_MAX = 256, /* of a thread that are remembered */
	PARTS_MAX = 24,      /* of an activation that are told apart: lines and functions of C */
	ALONE = PT_COUNT_BIRTH | PT_COUNT_START | PT_COUNT_UNSEEN | PT_COUNT_MERGED,
};

/* ---- what is left of an activation ---- */

void net_emit(struct work *w, const struct history_change *c, uint64_t key)
{
	*array_push(&w->entries) = (struct entry){ .c = *c, .key = key };
}

static void emit_part(struct work *w, const struct group *g, const struct net_part *p, int64_t delta)
{
	int sign = delta > 0;
	struct history_change c = {
		.ns = p->ns[sign],
		.last_ns = p->ns[sign],
		.delta = (int32_t)net_clamp(delta),
		.node = p->node[sign],
		.thread = g->thread,
		.times = 1,
		.period = 1,
		.flags = p->flags,
	};

	net_emit(w, &c, p->key[sign]);
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
void net_close_group(struct work *w, struct open_lines *o)
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
static size_t n_kept(struct net_lines *l, struct open_lines *o, node_id frame)
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
		net_close_group(w, o);
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
		close_down_to(w, o, n_kept(l, o, frame), frame);
	if (!o->groups.n || o->groups.at[o->groups.n - 1].step != net_lines_step(l, frame))
		open_group(w, o, frame);
	add_change(w, o, c);
}

/* The activations of what `frame` called are over. */
static void close_all_above(struct work *w, struct open_lines *o, node_id frame)
{
	close_down_to(w, o, frame == NODE_EMPTY ? 0 : n_kept(w->lines, o, frame), frame);
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
			net_emit(w, c, w->key);
		return;
	}
	given.node = caller;
	given.flags &= (uint8_t)~PT_COUNT_LEAVES;
	add_to_line(w, o, &given);
}

void net_feed(struct work *w, const struct history_change *c)
{
	struct open_lines *o;

	w->key++;
	if (c->flags & ALONE || c->node <= NODE_UNKNOWN) {
		if (c->delta || !(c->flags & PT_COUNT_MERGED))
			net_emit(w, c, w->key);
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
