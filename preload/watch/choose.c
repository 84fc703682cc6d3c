/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose: see choose.h and README.md
 *
 * A habit is what comes from one stack in blocks of one size. It is looked up by both; a table of four entries a place,
 * in which habits of interest outlive the others. Races between threads cost a look.
 */
#include "preload/watch/choose.h"

#include <string.h>

#include "preload/base/arena.h"
#include "preload/options.h"
#include "preload/base/os.h"
#include "preload/py/objects/births.h"
#include "preload/py/objects/free_lists.h"
#include "preload/py/py.h"
#include "preload/record/sink.h"
#include "preload/watch/known.h"
#include "preload/watch/rules.h"
#include "preload/watch/slots.h"

/* ---- what is known of a stack and a size ---- */

enum kind {
	KIND_UNKNOWN,
	KIND_NEVER,  /* no rule holds for the stack */
	KIND_OTHERS, /* what was made there was not wanted */
	KIND_OURS,
};

struct habit {
	uint64_t key; /* stack << 32 | bytes; 0: empty */
	uint8_t kind;
	uint8_t place;   /* where objects begin, once one was seen */
	uint8_t in_vain; /* waits that ended without an object of interest, since the last with */
	uint8_t is_placed;
	uint16_t skip; /* births that are passed over */
	uint16_t watched;
};
enum { SETS = 1 << 13, WAYS = 4 };
enum { LOOK_AGAIN = 64, LOOK_AGAIN_SOON = 4, WATCHED_OFTEN = 64, IN_VAIN_MOST = 6, SKIP_MOST = 1 << 12 };

static struct habit (*habits)[WAYS];

static uint64_t key_of(uint32_t stack, size_t bytes)
{
	return (uint64_t)stack << 32 | (bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX);
}

static struct habit *habit_of(uint64_t key)
{
	struct habit *set = habits[key * UINT64_C(0x9e3779b97f4a7c15) >> 51], *victim = &set[WAYS - 1];

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	for (unsigned i = 0; i < WAYS; i++)
		if (!set[i].key || (set[i].kind != KIND_OURS && victim->kind == KIND_OURS))
			victim = &set[i];
	*victim = (struct habit){ .key = key };
	return victim;
}
_Static_assert(SETS == 1 << (64 - 51), "the hash is as wide as the table");

/* ---- chance ---- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t *seed_of(struct thread *t)
{
	if (!t->choose.seed)
		t->choose.seed = os_random() | 1;
	return &t->choose.seed;
}

/* How many births to pass over, `mean` in the mean: never in step with what the program does. */
static uint16_t some(struct thread *t, uint32_t mean) { return (uint16_t)(next_random(seed_of(t)) % (2 * mean + 1)); }

/* ---- rules ---- */

bool choose_births;
static bool any_sample, only_sample;

/* Conditions that hold: sites, and types (all ones: not known yet). The rules (bit by number) that go along. */
static uint64_t rules_that_hold(uint64_t sites, uint64_t types)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < rules_n(); i++) {
		const struct rule *r = rules_at(i);

		if ((r->site == RULES_NONE || sites >> r->site & 1) && (r->type == RULES_NONE || types >> r->type & 1))
			set |= UINT64_C(1) << i;
	}
	return set;
}

/* The conditions type: that these rules have; *any: one of them has none. */
static uint64_t types_of(uint64_t rules, bool *any)
{
	uint64_t set = 0;

	*any = false;
	for (; rules; rules &= rules - 1) {
		const struct rule *r = rules_at((unsigned)__builtin_ctzll(rules));

		if (r->type == RULES_NONE)
			*any = true;
		else
			set |= UINT64_C(1) << r->type;
	}
	return set;
}

/* Of these rules, the ones that want a sample only; and those that want each object. */
static uint64_t samples_of(uint64_t rules)
{
	uint64_t set = 0;

	for (uint64_t rest = any_sample ? rules : 0; rest; rest &= rest - 1)
		if (rules_at((unsigned)__builtin_ctzll(rest))->random)
			set |= rest & -rest;
	return set;
}

/* ---- samples ---- */

/*
 * Each birth is drawn with the same chance, whatever was drawn before it: distances between draws are exponential. The
 * mean distance follows how many places are free at a draw, never what is born; a draw that finds none is dropped, not
 * put off to the next birth that does.
 */
enum { MEAN_FIRST = 64, MEAN_LEAST = 4, MEAN_MOST = 1 << 24 };
static _Atomic(uint32_t) mean_distance = MEAN_FIRST;

/* -ln of a number between 0 and 1, by the bits of a random word: exact to a hundredth. */
static double exponential(uint64_t r)
{
	int zeros = r ? __builtin_clzll(r) : 63;
	double f = zeros < 63 ? (double)(r << (zeros + 1)) * 0x1p-64 : 0;

	return 0.6931471805599453 * ((double)(zeros + 1) - (f + 0.3398 * f * (1 - f)));
}

static void next_draw(struct thread *t)
{
	t->choose.until = 1 + (uint64_t)(exponential(next_random(seed_of(t))) * atomic_load(&mean_distance));
}

static void adapt(unsigned n_free)
{
	uint32_t mean = atomic_load(&mean_distance);

	if (!n_free)
		mean = mean < MEAN_MOST ? mean + mean / 4 + 1 : mean;
	else if (n_free * 2 > slots_n())
		mean = mean > MEAN_LEAST ? mean - mean / 8 - 1 : mean;
	atomic_store(&mean_distance, mean);
}

/* Whether this birth is drawn. */
static bool is_drawn(struct thread *t)
{
	if (!t->choose.until)
		next_draw(t);
	if (--t->choose.until)
		return false;
	adapt(slots_free());
	return true;
}

/* ---- what it may cost ---- */

/* What a slot was taken for. Slots of others (libpytrace.watch) have tag 0. */
static struct taken {
	uint64_t key, rules;
	uint32_t place;
	uint8_t priority;
	bool is_sample;
} taken[SLOTS_MAX];
enum { TAG_OURS = 1 };

/* A share of the time, and something in advance, so that short programs are watched whole. Putting a slot in wait is
 * timed, since it costs more the more threads there are; and so much again is taken for its end. */
#define COST_TRAP_NS  UINT64_C(20000)
#define COST_AHEAD_NS UINT64_C(500000000)
#define VAIN_AHEAD_NS UINT64_C(50000000)
enum { COST_SHARE = 3, VAIN_SHARE = 32, HOT_CHANGES = 20000, MANY_WATCHES = 16 };
static _Atomic(uint64_t) spent_ns, spent_in_vain_ns, last_wait_ns;
static _Atomic(uint32_t) n_watches;

static bool can_afford(uint64_t spent, uint64_t ahead, unsigned share)
{
	return spent < ahead + atomic_load_explicit(&order.now_ns, memory_order_relaxed) / share;
}

/* With what those cost that are watched now. */
static uint64_t spent_by_now(void)
{
	uint64_t sum = atomic_load(&spent_ns);

	for (unsigned i = 0; i < slots_n(); i++)
		if (slots_at(i)->state == SLOT_WATCHING && slots_at(i)->tag == TAG_OURS)
			sum += slots_at(i)->changes * COST_TRAP_NS;
	return sum;
}

static void spend(const struct slot *s) { atomic_fetch_add(&spent_ns, s->changes * COST_TRAP_NS); }

void choose_free(struct thread *t, struct slot *s)
{
	(void)t;
	if (s->tag == TAG_OURS)
		spend(s);
}

static void let_go(struct thread *t, struct slot *s)
{
	spend(s);
	slots_let_go(t, s, PT_UNWATCH_ROTATED);
}

/* Of many objects, one whose count changes all the time tells little more than the others, and costs most. */
static void let_go_hot(struct thread *t)
{
	if (atomic_load(&n_watches) < MANY_WATCHES)
		return;
	for (unsigned i = 0; i < slots_n(); i++) {
		struct slot *s = slots_at(i);

		if (s->state == SLOT_WATCHING && s->tag == TAG_OURS && s->changes >= HOT_CHANGES)
			let_go(t, s);
	}
}

/* ---- places ---- */

enum priority { PRIORITY_LIBRARY, PRIORITY_USER, PRIORITY_SITE };
#define QUIET_NS     UINT64_C(100000000)
#define QUIET_NEW_NS UINT64_C(10000000) /* for a stack of which nothing was watched, and for samples */

static uint64_t quiet_ns(const struct slot *s, uint64_t now)
{
	uint64_t since = s->changed_ns > s->made_ns ? s->changed_ns : s->made_ns;

	return now > since ? now - since : 0;
}

/* Whether a watched object may be let go for one of this priority. */
static bool may_go(const struct slot *s, uint8_t priority, bool is_new, uint64_t now)
{
	bool gave_enough = taken[s->index].is_sample || habit_of(taken[s->index].key)->watched > 1;
	uint64_t least = is_new && gave_enough ? QUIET_NEW_NS : QUIET_NS;

	if (s->state != SLOT_WATCHING || s->tag != TAG_OURS || taken[s->index].priority > priority)
		return false;
	return taken[s->index].priority < priority || quiet_ns(s, now) >= least || s->changes >= HOT_CHANGES;
}

/* Makes room for an object of this priority. `is_new`: none of its stack was watched yet. */
static bool make_room(struct thread *t, uint8_t priority, bool is_new)
{
	uint64_t now = os_mono_ns() - sink_start_ns(); /* the time of the last event is long ago after a pause */
	struct slot *victim = NULL;

	for (unsigned i = 0; i < slots_n(); i++) {
		struct slot *s = slots_at(i);

		if (!may_go(s, priority, is_new, now))
			continue;
		if (!victim || taken[i].priority < taken[victim->index].priority ||
		    (taken[i].priority == taken[victim->index].priority && quiet_ns(s, now) > quiet_ns(victim, now)))
			victim = s;
	}
	if (!victim)
		return false;
	let_go(t, victim);
	return true;
}

/* ---- waiting ---- */

struct wish {
	uint64_t rules;
	uint32_t places[PY_BIRTH_PLACES];
	uint8_t n_places, priority;
	bool is_sample;
};

static void wait_at(struct thread *t, const char *block, uint64_t key, const struct wish *w, unsigned i)
{
	struct choose_thread *c = &t->choose;
	struct slot *s = slots_wait(t, block, block + w->places[i], TAG_OURS);

	if (!s)
		return;
	taken[s->index] = (struct taken){ key, w->rules, w->places[i], w->priority, w->is_sample };
	c->waits[c->n_waits++] = s;
}

static void wait(struct thread *t, const char *block, uint64_t key, const struct wish *w)
{
	uint64_t before = os_clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;

	for (unsigned i = 0; i < w->n_places; i++)
		wait_at(t, block, key, w, i);
	if (t->choose.n_waits < w->n_places) {
		t->choose.late_rules = w->rules;
		t->choose.priority = w->priority;
	}
	ns = 2 * (os_clock_ns(CLOCK_THREAD_CPUTIME_ID) - before);
	atomic_store(&last_wait_ns, ns);
	atomic_fetch_add(&spent_ns, ns);
}

enum choose_verdict choose_made(struct thread *t, struct slot *s)
{
	struct taken *k = &taken[s->index];
	struct habit *h;
	uint32_t type;

	switch (py_birth_at(t, s->object, k->place, &type)) {
	case PY_BIRTH_NOT_YET: return CHOOSE_WAIT;
	case PY_BIRTH_NEVER: return CHOOSE_NOT;
	case PY_BIRTH_MADE: break;
	}
	h = habit_of(k->key);
	h->place = (uint8_t)k->place;
	h->is_placed = true;
	if (!(rules_that_hold(known_of_stack((uint32_t)(k->key >> 32)), known_of_type(type)) & k->rules)) {
		return CHOOSE_NOT; /* the look back says what it was */
	}
	h->kind = KIND_OURS;
	h->in_vain = 0;
	h->watched += h->watched < UINT16_MAX;
	s->type = type;
	atomic_fetch_add(&n_watches, 1);
	return CHOOSE_KEEP;
}

/* ---- looking back ---- */

/* A line may make objects of many classes: where the size is that of a wanted one, it is looked at again soon. */
static void learn(struct thread *t, struct habit *h, uint32_t type, uint32_t place)
{
	uint64_t sites = known_of_stack((uint32_t)(h->key >> 32));
	uint32_t unused;

	if (type && rules_that_hold(sites, known_of_type(type))) {
		h->kind = KIND_OURS;
	} else if (h->kind != KIND_OURS) {
		h->kind = KIND_OTHERS;
		h->skip = some(t, known_of_size(UINT64_MAX, (uint32_t)h->key, &unused) ? LOOK_AGAIN_SOON : LOOK_AGAIN);
	}
	if (type) {
		h->place = (uint8_t)place;
		h->is_placed = true;
	}
}

/* Nothing of interest was made: who waits goes. */
static void end_waits(struct thread *t, struct habit *h)
{
	struct choose_thread *c = &t->choose;

	for (unsigned i = 0; i < c->n_waits; i++) {
		struct slot *s = c->waits[i];

		if (s->state != SLOT_WAITING || s->block != c->block || s->tag != TAG_OURS)
			continue;
		slots_let_go(t, s, PT_UNWATCH_OTHER);
		atomic_fetch_add(&spent_in_vain_ns, atomic_load(&last_wait_ns) + COST_TRAP_NS);
		h->in_vain += h->in_vain < IN_VAIN_MOST;
		if (h->kind == KIND_OURS)
			h->skip = some(t, 1U << h->in_vain);
	}
	c->n_waits = 0;
}

/* It was made where nobody could wait, for want of places: it is watched from here on. */
static void watch_late(struct thread *t, const struct habit *h, uint32_t type)
{
	struct choose_thread *c = &t->choose;
	uint64_t rules = c->late_rules & rules_that_hold(known_of_stack((uint32_t)(h->key >> 32)), known_of_type(type));
	struct slot *s;

	for (unsigned i = 0; i < slots_n(); i++)
		if (slots_at(i)->state != SLOT_FREE && slots_at(i)->block == c->block)
			return;
	s = rules && type ? slots_watch(t, c->block + h->place, TAG_OURS) : NULL;
	if (s)
		taken[s->index] = (struct taken){ h->key, rules, h->place, c->priority, false };
}

/* What became of the block that this thread got last. `is_dead`: it is about to be given back. */
static void look_back(struct thread *t, uint32_t type, uint32_t place, bool is_dead)
{
	struct choose_thread *c = &t->choose;
	struct habit *h = habit_of(c->key);

	learn(t, h, type, place);
	if (c->n_waits)
		end_waits(t, h);
	if (c->late_rules && !is_dead)
		watch_late(t, h, type);
	c->late_rules = 0;
	c->block = NULL;
}

static void look_at_last(struct thread *t)
{
	uint32_t place = 0, type = py_birth_in(t, t->choose.block, &place);

	look_back(t, type, place, false);
}

void choose_dies(struct thread *t, const void *block)
{
	if (unlikely(py_births_young))
		py_births_dies(block);
	if (t->choose.block != block)
		return;
	/* its object is dead, but for the count all of it is there */
	look_back(t, py_block_type(t, block), habit_of(t->choose.key)->place, true);
}

/* ---- a birth ---- */

static void places_of(struct wish *w, const struct habit *h, size_t bytes)
{
	bool any;
	uint64_t types = types_of(w->rules, &any);

	if (h->is_placed)
		w->places[0] = h->place, w->n_places = 1;
	else if (!any && known_of_size(types, bytes, &w->places[0]))
		w->n_places = 1;
	else if (any)
		w->n_places = (uint8_t)py_birth_places(w->places);
}

/* Which rules could make somebody wait for what is born; 0: none. */
static uint64_t wanted_by(const struct habit *h, uint64_t stack_word, size_t bytes)
{
	uint64_t rules = rules_that_hold(stack_word, UINT64_MAX), types, plausible;
	uint32_t place;
	bool any;

	if (h->kind == KIND_OURS || !rules)
		return rules;
	types = types_of(rules, &any);
	plausible = types ? known_of_size(types, bytes, &place) : 0;
	return rules_that_hold(stack_word, plausible) & rules;
}

static bool is_affordable(const struct habit *h, const struct wish *w)
{
	if (h->kind == KIND_UNKNOWN && w->priority < PRIORITY_SITE)
		return w->priority == PRIORITY_USER &&
		       can_afford(atomic_load(&spent_in_vain_ns), VAIN_AHEAD_NS, VAIN_SHARE);
	return can_afford(spent_by_now(), COST_AHEAD_NS, COST_SHARE) ||
	       (!h->watched && can_afford(spent_by_now(), 2 * COST_AHEAD_NS, 2));
}

/* Stacks of which many objects were watched leave more and more births to others. */
static void take_turns(struct habit *h)
{
	if (h->watched >= WATCHED_OFTEN)
		h->skip = h->watched / 4 < SKIP_MOST ? h->watched / 4 : SKIP_MOST;
}

static uint8_t priority_of(uint64_t stack_word)
{
	return stack_word & KNOWN_AT_SITE ? PRIORITY_SITE : stack_word & KNOWN_USER ? PRIORITY_USER : PRIORITY_LIBRARY;
}

/* Whether somebody is to wait on the block: then *w says where, and there is room. */
static bool choose(struct thread *t, struct habit *h, size_t bytes, struct wish *w)
{
	uint64_t stack_word = known_of_stack((uint32_t)(h->key >> 32)), samples;

	*w = (struct wish){ .rules = wanted_by(h, stack_word, bytes), .priority = priority_of(stack_word) };
	if (!w->rules)
		return false;
	samples = samples_of(w->rules);
	if (samples && !is_drawn(t)) {
		w->rules &= ~samples;
		if (!w->rules)
			return false;
	}
	w->is_sample = w->rules & samples;
	if (w->is_sample)
		w->priority = PRIORITY_LIBRARY; /* whose code it is must not matter */
	places_of(w, h, bytes);
	if (!w->n_places)
		return false;
	if (!is_affordable(h, w)) {
		let_go_hot(t);
		return false;
	}
	if (!slots_free() && !make_room(t, w->priority, w->is_sample || !h->watched))
		return false;
	take_turns(h);
	return true;
}

/* A stack for which no rule holds, as long as no rule is about types. */
static bool is_never(const struct habit *h)
{
	return !rules_that_hold(known_of_stack((uint32_t)(h->key >> 32)), UINT64_MAX);
}

/* What is known of a birth; NULL: nobody cares for it. */
static struct habit *habit_of_birth(uint32_t stack, size_t bytes)
{
	struct habit *h = habit_of(key_of(stack, bytes));

	if (h->kind == KIND_NEVER)
		return NULL;
	if (h->kind == KIND_UNKNOWN && is_never(h)) {
		h->kind = KIND_NEVER;
		return NULL;
	}
	if (h->skip) {
		h->skip--;
		return NULL;
	}
	return h;
}

static void born(struct thread *t, const char *block, size_t bytes, uint32_t stack)
{
	struct habit *h = habit_of_birth(stack, bytes);
	struct wish w;

	if (!h)
		return;
	t->choose.block = block;
	t->choose.key = h->key;
	if (h->kind != KIND_OTHERS && choose(t, h, bytes, &w))
		wait(t, block, h->key, &w);
}

/* Only samples are wanted: all but those drawn pass in a few cycles. */
static void born_sampled(struct thread *t, const char *block, size_t bytes, uint32_t stack)
{
	struct choose_thread *c = &t->choose;
	uint64_t key;
	struct wish w = { .rules = rules_that_hold(0, 0), .is_sample = true };
	struct habit *h;

	if (c->until > 1) {
		c->until--;
		return;
	}
	if (!is_drawn(t))
		return;
	if (!can_afford(spent_by_now(), COST_AHEAD_NS, COST_SHARE)) {
		let_go_hot(t);
		return;
	}
	if (!slots_free() && !make_room(t, PRIORITY_LIBRARY, true))
		return;
	key = key_of(stack, bytes);
	h = habit_of(key);
	places_of(&w, h, bytes);
	c->block = block;
	c->key = key;
	wait(t, block, key, &w);
}

/* choose_serves() has decided. */
static void born_served(struct thread *t, const char *block, size_t bytes, uint32_t stack)
{
	struct choose_thread *c = &t->choose;
	struct wish w = { .rules = c->rules, .places = { c->place }, .n_places = 1, .priority = c->priority };

	c->is_served = false;
	c->block = block;
	c->key = key_of(stack, bytes);
	wait(t, block, c->key, &w);
}

void choose_born(struct thread *t, const void *block, size_t bytes, uint32_t stack)
{
	if (t->choose.block)
		look_at_last(t);
	if (unlikely(bytes >= PY_TYPE_LEAST_BYTES))
		py_births_maybe_class(block);
	else if (unlikely(py_births_young))
		py_births_look();
	if (unlikely(t->choose.is_served))
		born_served(t, block, bytes, stack);
	else if (only_sample)
		born_sampled(t, block, bytes, stack);
	else
		born(t, block, bytes, stack);
}

bool choose_serves(struct thread *t, size_t bytes, uint32_t stack, size_t *ret_place)
{
	struct choose_thread *c = &t->choose;
	struct habit *h;
	struct wish w;

	if (c->block)
		look_at_last(t);
	if (unlikely(py_births_young))
		py_births_look();
	c->is_served = false;
	h = habit_of_birth(stack, bytes);
	if (!h || h->kind == KIND_OTHERS || !choose(t, h, bytes, &w))
		return false;
	c->is_served = true;
	c->rules = w.rules;
	c->priority = w.priority;
	*ret_place = c->place = w.places[0];
	return true;
}

/* ---- life ---- */

static bool may_be_wanted(const char *type)
{
	uint64_t types = rules_of_type(type, strlen(type));

	for (unsigned i = 0; i < rules_n(); i++)
		if (rules_at(i)->type == RULES_NONE || types >> rules_at(i)->type & 1)
			return true;
	return false;
}

void choose_start(const char *text)
{
	char error[512];
	bool types = false;

	if (!rules_read(text, error, sizeof error))
		options_say(error);
	if (!rules_n())
		return;
	habits = arena_map_large(SETS * sizeof *habits);
	if (!habits)
		return;
	only_sample = true;
	for (unsigned i = 0; i < rules_n(); i++) {
		const struct rule *r = rules_at(i);

		types |= r->type != RULES_NONE;
		any_sample |= r->random;
		only_sample &= r->random && r->type == RULES_NONE && r->site == RULES_NONE;
	}
	known_start(types);
	choose_births = true;
	py_free_lists_off(may_be_wanted);
}

void choose_after_fork(void)
{
	if (!choose_births)
		return;
	memset(habits, 0, SETS * sizeof *habits);
	known_after_fork();
	py_births_after_fork();
}
