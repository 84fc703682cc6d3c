/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round has a key for takes and one for gives. It goes through the history once; takes that are free lie on a pile
 * under their key, a give takes the last one off its pile. Piles are chains through `below`, their tops in a map, so a
 * round costs as many steps as there are changes.
 */
#include "analyzer/counts/pairs.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_CHANGES = 1 << 20, /* of one history */
	MAX_STEP = 1 << 12,    /* a greater delta is no number of references: a flag in the count, an immortal */
};

/* What a change is filed under. */
enum key {
	KEY_ANY,
	KEY_INSTRUCTION, /* the owner's frame, at this instruction */
	KEY_FRAME_CALL,  /* this call of the owner's function */
	KEY_ENTRY_CALL,  /* this call from Python */
	KEY_PYTHON_LINE, /* this line of this Python frame */
	KEY_PYTHON_CALL, /* this Python frame */
	KEY_PYTHON_FUNCTION,
	KEY_CALLED_HERE, /* of a take: the line that called its Python frame; of a give: its own line */
	KEY_OUTER_CALL,  /* the call of an extension's function that called Python */
	KEY_OUTER_ENTRY, /* and that which had been called by Python outwards of it */
};

/* Which changes take part. */
enum who {
	WHO_EXTENSION = 1,
	WHO_CALLED = 2, /* likewise, not direct */
	WHO_DIRECT = 3, /* likewise, direct */
	WHO_PYTHON = 4,
	WHO_ANY = 5,
};

struct round {
	uint8_t take, give; /* enum who */
	uint8_t take_key, give_key;
	uint8_t how;
	uint8_t how_extension; /* when an extension took it; 0: likewise */
};

static const struct round rounds[] = {
	{ WHO_CALLED, WHO_CALLED, KEY_INSTRUCTION, KEY_INSTRUCTION, PAIR_CALL, 0 },
	{ WHO_DIRECT, WHO_DIRECT, KEY_FRAME_CALL, KEY_FRAME_CALL, PAIR_CALL, 0 },
	{ WHO_EXTENSION, WHO_EXTENSION, KEY_FRAME_CALL, KEY_FRAME_CALL, PAIR_CALL, 0 },
	{ WHO_EXTENSION, WHO_EXTENSION, KEY_ENTRY_CALL, KEY_ENTRY_CALL, PAIR_CALL, 0 },
	{ WHO_PYTHON, WHO_PYTHON, KEY_INSTRUCTION, KEY_INSTRUCTION, PAIR_PYTHON, 0 },
	{ WHO_PYTHON, WHO_PYTHON, KEY_PYTHON_LINE, KEY_PYTHON_LINE, PAIR_PYTHON, 0 },
	{ WHO_ANY, WHO_EXTENSION, KEY_OUTER_CALL, KEY_FRAME_CALL, PAIR_RETURNED, 0 },
	{ WHO_ANY, WHO_EXTENSION, KEY_OUTER_ENTRY, KEY_ENTRY_CALL, PAIR_RETURNED, 0 },
	{ WHO_EXTENSION, WHO_PYTHON, KEY_PYTHON_LINE, KEY_PYTHON_LINE, PAIR_DROPPED, 0 },
	{ WHO_ANY, WHO_PYTHON, KEY_PYTHON_CALL, KEY_PYTHON_CALL, PAIR_PYTHON, PAIR_DROPPED },
	{ WHO_ANY, WHO_PYTHON, KEY_CALLED_HERE, KEY_CALLED_HERE, PAIR_PYTHON, PAIR_DROPPED },
	{ WHO_PYTHON, WHO_PYTHON, KEY_PYTHON_FUNCTION, KEY_PYTHON_FUNCTION, PAIR_HOLDER, 0 },
	{ WHO_PYTHON, WHO_PYTHON, KEY_ANY, KEY_ANY, PAIR_HOLDER, 0 },
	{ WHO_DIRECT, WHO_DIRECT, KEY_ANY, KEY_ANY, PAIR_STORED, 0 },
	{ WHO_EXTENSION, WHO_EXTENSION, KEY_ANY, KEY_ANY, PAIR_STORED, 0 },
	{ WHO_EXTENSION, WHO_PYTHON, KEY_ANY, KEY_ANY, PAIR_LATER, 0 },
	{ WHO_PYTHON, WHO_EXTENSION, KEY_ANY, KEY_ANY, PAIR_TAKEN, 0 },
};

struct maker {
	struct pairs *p;
	const struct owners *o;
	uint32_t *below; /* by change: the one under it on its pile */
	uint32_t n_seen;
};

static bool takes_part(const struct owner *w, enum who who)
{
	switch (who) {
	case WHO_EXTENSION: return w->frame != NODE_EMPTY;
	case WHO_CALLED: return w->frame != NODE_EMPTY && !w->direct;
	case WHO_DIRECT: return w->frame != NODE_EMPTY && w->direct;
	case WHO_PYTHON: return w->frame == NODE_EMPTY;
	default: return true;
	}
}

/* The line that called the Python frame of an owner, or that of the owner itself. */
static uint64_t key_called_here(const struct owners *o, const struct owner *w, bool take)
{
	if (!take)
		return owners_call_line(o, w->python);
	return w->python ? owners_call_line(o, owner_of(o, defs_frame(o->defs, w->python)->parent)->python) : 0;
}

/* 0: files nowhere. */
static uint64_t key_of(const struct owners *o, const struct owner *w, enum key key, bool take)
{
	switch (key) {
	case KEY_INSTRUCTION: return w->frame ? w->frame : w->python;
	case KEY_FRAME_CALL: return owners_call(o, w->frame);
	case KEY_ENTRY_CALL: return owners_call(o, w->entry);
	case KEY_PYTHON_LINE: return owners_call_line(o, w->python);
	case KEY_PYTHON_CALL: return owners_call(o, w->python);
	case KEY_PYTHON_FUNCTION: return owners_function(o, w->python);
	case KEY_CALLED_HERE: return key_called_here(o, w, take);
	case KEY_OUTER_CALL: return owners_call(o, w->outer);
	case KEY_OUTER_ENTRY: return owners_call(o, owner_of(o, w->outer)->entry);
	default: return 1;
	}
}

/* Makes a pair. Returns the take. */
static uint32_t mate_up(struct maker *m, const struct round *r, uint32_t take, uint32_t give)
{
	struct pair_change *t = &m->p->at.at[take], *g = &m->p->at.at[give];

	t->mate = give;
	g->mate = take;
	t->how = g->how = r->how_extension && owner_of(m->o, t->node)->frame ? r->how_extension : r->how;
	return take;
}

static void run_round(struct maker *m, const struct round *r)
{
	struct map tops = { 0 };

	for (uint32_t i = 0; i < m->p->at.n; i++) {
		struct pair_change *c = &m->p->at.at[i];
		const struct owner *w = owner_of(m->o, c->node);
		uint32_t *top;
		uint64_t key;

		if (c->mate != PAIR_ALONE || !takes_part(w, c->take ? r->take : r->give))
			continue;
		key = key_of(m->o, w, c->take ? r->take_key : r->give_key, c->take);
		if (!key)
			continue;
		top = map_at(&tops, key); /* MAP_NONE: the pile is empty */
		if (c->take) {
			m->below[i] = *top;
			*top = i;
		} else if (*top != MAP_NONE) {
			*top = m->below[mate_up(m, r, *top, i)];
		}
	}
	map_free(&tops);
}

static bool add_change(void *self, const struct history_change *c)
{
	struct maker *m = self;
	int64_t n = c->delta < 0 ? -(int64_t)c->delta : c->delta;
	uint32_t number = m->n_seen++;

	if (c->flags & PT_COUNT_MERGED || n > MAX_STEP)
		return true;
	if (c->flags & PT_COUNT_START)
		n = c->count > 0 && c->count < MAX_STEP ? c->count : 0;
	for (int64_t i = 0; i < n; i++) {
		if (m->p->at.n >= MAX_CHANGES) {
			m->p->n_cut++;
			continue;
		}
		*array_push(&m->p->at) = (struct pair_change){
			.ns = c->ns,
			.node = c->flags & PT_COUNT_START ? NODE_EMPTY : c->node,
			.mate = PAIR_ALONE,
			.of = number,
			.take = c->delta >= 0,
		};
	}
	return true;
}

void pairs_make(struct pairs *p, const struct history *h, const struct owners *o)
{
	struct maker m = { .p = p, .o = o };

	*p = (struct pairs){ 0 };
	history_replay(h, add_change, &m);
	m.below = mem_alloc((p->at.n + 1) * sizeof *m.below);
	for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++)
		run_round(&m, &rounds[i]);
	free(m.below);
}

void pairs_free(struct pairs *p)
{
	array_free(&p->at);
	p->n_cut = 0;
}

const char *pair_how_name(enum pair_how how)
{
	static const char *const names[PAIR_HOWS] = { "none",   "call",   "python", "returned", "dropped",
						      "holder", "stored", "later",  "taken" };

	return names[how];
}
