/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_lost: references that were taken and not given back, as findings
 *
 * Growth is judged first (growth/growth.h), with all its caution; then what grows is looked at in the last snapshot.
 *
 *   LOST_OBJECTS  nearly all objects of the group that were made after the warm-up have more references than exist.
 *                 What C code keeps, it keeps once, and its caches have a bound; here there are more and more.
 *   LOST_NOBODY   nearly none of its blocks was met by the walk of the heap, and nothing points to them: objects
 * without a type that the collector knows (bytes, str, a tuple of such), which only C code could hold. LOST_BELOW its
 * objects are held by those, and go with them.
 *
 * Where several snapshots show that the surplus grows from each to the next, that is evidence, too: for a group which
 * the run is too short to judge, and for a few objects that get more and more references while no memory grows at all
 * (LOST_SHARED).
 */
#include "analyzer/base/mem.h"
#include "analyzer/base/sample.h"
#include "analyzer/findings/kinds/finding_kinds.h"
#include "analyzer/heap/garbage.h"
#include "analyzer/heap/parts.h"
#include "analyzer/heap/pieces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOSTLY        80   /* percent of a group's objects */
#define PIECE_MOSTLY  80   /* percent of the dead objects of a group: one container had them */
#define DEAD_MOSTLY   50   /* percent of a group's bytes: weak references to it and their tables are alive */
#define NOBODY_MOSTLY 90   /* percent of a group's blocks */
#define NOBODY_SURE   50   /* ... and of those that can be on no free list */
#define WAITING_MOST  4000 /* blocks on the free lists of two sizes: tuples have 2000 of each */
#define OBJECTS_LEAST 100  /* objects with surplus that make a group one of lost references */
#define SHARED_GROWN  100  /* references on one object that are worth a look */
#define SHARED_FEW    4    /* one object in so many must have most: others are groups of objects, judged as such */
#define SHARED_LEAST  1000 /* references on one object that are worth a doubt when only one snapshot was taken */
#define BELOW_SAMPLE  200
#define UNKNOWN_SHOWN 10 /* one block for so many objects is worth a word */

/* What of a group of growth lies in the snapshot. */
struct tally {
	uint64_t blocks, unknown; /* in the object layer */
	uint64_t reusable;        /* of the unknown ones: may be on a free list */
	uint64_t waiting;         /* of those to which something leads: may be on a free list */
	uint64_t led;             /* blocks of any layer: they hang on lost objects ... */
	uint32_t led_by;          /* ... most of these of this group */
	int64_t led_votes;
	uint64_t late, late_own;         /* objects made after the warm-up, and those of them with surplus */
	uint64_t late_bytes, dead_bytes; /* of the late ones, and of those that nothing alive refers to */
	uint64_t dead, dead_in_piece;    /* dead ones of these, and those of them that one dead container had ... */
	uint32_t piece;                  /* ... this one: a number of pieces.h */
	int64_t piece_votes;
	uint64_t own, references; /* objects with surplus; all their surplus */
	uint32_t type;            /* of most of those: the heap's number */
	int64_t votes;            /* private: for it */
	uint64_t step;            /* private: of the sample */
	uint64_t sampled, below;  /* of these those looked at, and those that a lost object holds */
	uint32_t leader;          /* the group of most of these */
	int64_t leader_votes;
	struct surplus_point at[SURPLUS_SNAPSHOTS];
};

struct judging {
	struct report_trace *t;
	struct view *v;
	const struct surplus *s;
	int32_t *surplus;
	uint64_t *dead;       /* set of objects that wait for the collector; NULL: it is off */
	uint64_t *adrift;     /* set of objects to which no root leads */
	struct pieces pieces; /* of the dead ones, if any are looked for */
	uint32_t *group_of;   /* by node: the group of growth of its blocks in the object layer; MAP_NONE */
	struct map others;    /* node and layer to the group, for the other layers */
	struct tally *tally;
};

static uint32_t group_with(const struct judging *j, object_id o)
{
	node_id node = j->v->join.node[o];

	return node == NODE_UNKNOWN ? MAP_NONE : j->group_of[node];
}

static uint32_t group_of_buffer(const struct judging *j, const struct join_buffer *b)
{
	return b->layer == PT_LAYER_OBJECT ? j->group_of[b->node]
					   : map_find(&j->others, (uint64_t)b->node << 8 | b->layer);
}

static const struct growth_group *growth_group(const struct judging *j, uint32_t group)
{
	return &j->t->growth.groups.at[group];
}

/* Of exact counts only: what C code holds of the others means nothing by itself. What a root leads to would be alive
 * without its surplus, too: who keeps it is known, and is to blame first. (Of daemon threads nothing is left at the
 * interpreter's end but the references that their frames had.) */
static bool is_lost(const struct judging *j, object_id o)
{
	return j->surplus[o] > 0 && j->v->heap.types.at[j->v->heap.type[o]].flags & PT_TYPE_GC &&
	       bits_has(j->adrift, o);
}

static void list_groups(struct judging *j)
{
	const struct curves *c = &j->t->curves;
	size_t n = j->t->trace.defs.stacks.nodes.n + 2;

	j->group_of = mem_alloc(n * sizeof *j->group_of);
	memset(j->group_of, 0xff, n * sizeof *j->group_of);
	for (size_t i = 0; i < c->curves.n; i++) {
		const struct curve *curve = &c->curves.at[i];
		uint32_t group = j->t->growth.group_of[i];

		if (curve->layer == PT_LAYER_OBJECT)
			j->group_of[curve->node] = group;
		else if (group != MAP_NONE)
			*map_at(&j->others, (uint64_t)curve->node << 8 | curve->layer) = group;
	}
	for (size_t i = 0; j->s->blocks && i < n; i++) {
		if (j->group_of[i] == MAP_NONE)
			continue;
		j->tally[j->group_of[i]].blocks += j->s->blocks[i].blocks;
		j->tally[j->group_of[i]].unknown += j->s->blocks[i].unknown;
		j->tally[j->group_of[i]].reusable += j->s->blocks[i].reusable;
		j->tally[j->group_of[i]].waiting += j->s->blocks[i].waiting;
	}
}

/* Adds up what most have: the type of the majority is what is left of votes and votes against. */
static void vote(uint32_t *what, int64_t *votes, uint32_t by)
{
	if (*votes <= 0)
		*what = by;
	*votes += *what == by ? 1 : -1;
}

/* A weak reference to a lost object is held by a registry, and goes with it all the same: each class has one at its
 * bases. So it says nothing. */
static bool is_weak(const struct judging *j, object_id o)
{
	const char *type = heap_type_name(&j->v->heap, o);

	return !strcmp(type, "weakref") || !strcmp(type, "weakref.ReferenceType");
}

static void count_led(struct judging *j)
{
	for (size_t i = 0; i < j->s->led.n; i++) {
		const struct surplus_led *l = &j->s->led.at[i];
		uint32_t group = l->layer == PT_LAYER_OBJECT ? j->group_of[l->node]
							     : map_find(&j->others, (uint64_t)l->node << 8 | l->layer);

		if (group == MAP_NONE)
			continue;
		j->tally[group].led++;
		vote(&j->tally[group].led_by, &j->tally[group].led_votes, j->group_of[l->leader]);
	}
}

static bool is_late(const struct judging *j, uint32_t group, object_id o)
{
	return !is_weak(j, o) && j->v->join.born_ns[o] >= growth_group(j, group)->evidence.warm_ns;
}

/* Adds an object, or its buffer, that was made after the warm-up. */
static void count_late(const struct judging *j, struct tally *t, object_id o, uint64_t bytes)
{
	t->late++;
	t->late_bytes += bytes;
	if (!j->dead || !bits_has(j->dead, o))
		return;
	t->dead_bytes += bytes;
	t->dead++;
	vote(&t->piece, &t->piece_votes, j->pieces.of[o]);
}

/* Of a group's dead objects those in the piece that most are in. */
static void count_in_piece(struct judging *j)
{
	for (object_id o = 0; j->dead && o < j->v->heap.n; o++) {
		uint32_t group = j->pieces.of[o] ? group_with(j, o) : MAP_NONE;

		if (group != MAP_NONE && j->pieces.of[o] == j->tally[group].piece && is_late(j, group, o))
			j->tally[group].dead_in_piece++;
	}
	for (size_t i = 0; j->dead && i < j->v->join.buffers.n; i++) {
		const struct join_buffer *b = &j->v->join.buffers.at[i];
		uint32_t group = j->pieces.of[b->owner] ? group_of_buffer(j, b) : MAP_NONE;

		if (group != MAP_NONE && j->pieces.of[b->owner] == j->tally[group].piece &&
		    b->born_ns >= growth_group(j, group)->evidence.warm_ns)
			j->tally[group].dead_in_piece++;
	}
}

static void count_objects(struct judging *j)
{
	const struct heap *h = &j->v->heap;

	for (object_id o = 0; o < h->n; o++) {
		uint32_t group = group_with(j, o);
		struct tally *t = group == MAP_NONE ? NULL : &j->tally[group];
		bool late, lost = t && is_lost(j, o);

		if (!t)
			continue;
		late = is_late(j, group, o);
		if (late)
			count_late(j, t, o, h->bytes[o]);
		t->late_own += late && lost;
		t->own += lost;
		if (!lost)
			continue;
		t->references += (uint64_t)j->surplus[o];
		vote(&t->type, &t->votes, j->v->heap.type[o]);
	}
}

/* An object's buffers share its fate. */
static void count_buffers(struct judging *j)
{
	for (size_t i = 0; i < j->v->join.buffers.n; i++) {
		const struct join_buffer *b = &j->v->join.buffers.at[i];
		uint32_t group = group_of_buffer(j, b);

		if (group != MAP_NONE && b->born_ns >= growth_group(j, group)->evidence.warm_ns)
			count_late(j, &j->tally[group], b->owner, b->bytes);
	}
}

static void sum_points(struct judging *j)
{
	for (size_t i = 0; i < j->s->groups.n; i++) {
		const struct surplus_group *g = &j->s->groups.at[i];
		uint32_t group = g->node == NODE_UNKNOWN ? MAP_NONE : j->group_of[g->node];

		for (unsigned k = 0; g->exact && group != MAP_NONE && k < j->s->n; k++) {
			j->tally[group].at[k].objects += g->at[k].objects;
			j->tally[group].at[k].references += g->at[k].references;
		}
	}
}

/* ---- the groups ---- */

static bool is_growing(const struct judging *j, uint32_t group)
{
	return growth_group(j, group)->verdict != GROWTH_HELD;
}

/* What lost objects hold, as far as it was looked at. */
static uint64_t below_of(const struct tally *t)
{
	return t->sampled ? (t->late - t->late_own) * t->below / t->sampled : 0;
}

static bool has_lost_objects(const struct judging *j, uint32_t group, bool found)
{
	const struct tally *t = &j->tally[group];

	return t->own >= OBJECTS_LEAST && t->late_own && (t->late_own + below_of(t)) * 100 >= t->late * MOSTLY &&
	       (found || is_growing(j, group));
}

static struct finding_lost judge(const struct judging *j, uint32_t group)
{
	const struct tally *t = &j->tally[group];
	struct finding_lost lost = {
		.leader = MAP_NONE, .objects = t->own, .references = t->references, .unknown = t->unknown
	};
	uint64_t waiting = t->reusable + t->waiting;
	const char *type;

	memcpy(lost.at, t->at, sizeof lost.at);
	lost.waiting = waiting && waiting <= WAITING_MOST && waiting * 100 >= t->blocks * NOBODY_SURE;
	lost.dead = t->dead_bytes && t->dead_bytes * 100 >= t->late_bytes * DEAD_MOSTLY && t->late >= t->unknown;
	lost.piece = lost.dead && t->dead_in_piece * 100 >= t->dead * PIECE_MOSTLY ? t->piece : 0;
	lost.found = surplus_trend(j->s, t->at, &lost.grown) == SURPLUS_GROWS;
	if (has_lost_objects(j, group, lost.found)) {
		lost.kind = LOST_OBJECTS;
		type = heap_text_of(&j->v->heap, j->v->heap.types.at[t->type].name);
		lost.type = strings_add(&j->t->remains->surplus.strings, type, strlen(type));
	} else if (is_growing(j, group) && t->unknown - t->reusable >= OBJECTS_LEAST &&
		   t->unknown * 100 >= t->blocks * NOBODY_MOSTLY &&
		   (t->unknown - t->reusable) * 100 >= t->blocks * NOBODY_SURE) {
		lost = (struct finding_lost){ .kind = LOST_NOBODY, .leader = MAP_NONE, .unknown = t->unknown };
	}
	return lost;
}

/* What else grows, and is held by lost objects of another group. */
static void judge_below(struct judging *j, struct finding_lost *judged, uint32_t group)
{
	const struct tally *t = &j->tally[group];

	if (t->led && judged[group].kind != LOST_OBJECTS && t->led * 100 >= growth_group(j, group)->blocks * MOSTLY &&
	    t->led_by != group && t->led_by != MAP_NONE && judged[t->led_by].kind == LOST_NOBODY) {
		judged[group].kind = LOST_BELOW;
		judged[group].leader = t->led_by;
		return;
	}
	if (judged[group].kind || !t->below || t->below * 100 < t->sampled * MOSTLY || t->leader == MAP_NONE ||
	    judged[t->leader].kind != LOST_OBJECTS)
		return;
	judged[group].kind = LOST_BELOW;
	judged[group].leader = t->leader;
}

/* ---- what lost objects hold ---- */

/* The object of C code where the chain to an object starts; HEAP_NONE: it starts elsewhere. */
static object_id start_of(const struct judging *j, object_id o)
{
	struct path p;
	object_id start = HEAP_NONE;

	paths_to(&j->v->paths, o, &p);
	if (p.start == PATH_C && p.steps.n)
		start = p.steps.at[0].object;
	path_free(&p);
	return start;
}

static void look_below(struct judging *j, object_id o, struct tally *t)
{
	object_id start = is_lost(j, o) ? o : start_of(j, o);
	uint32_t leader = start == HEAP_NONE || !is_lost(j, start) ? MAP_NONE : group_with(j, start);

	t->sampled++;
	if (leader == MAP_NONE || j->tally[leader].own < OBJECTS_LEAST)
		return;
	t->below++;
	vote(&t->leader, &t->leader_votes, leader);
}

/* Whether the next one is to be looked at: some of each group that grows. */
static bool is_sample(struct judging *j, uint32_t group)
{
	struct tally *t = &j->tally[group];

	return is_growing(j, group) && sample_has(t->step++, (t->late - t->late_own) / BELOW_SAMPLE + 1);
}

static void sample_below(struct judging *j)
{
	const struct heap *h = &j->v->heap;

	view_want(j->v, VIEW_PATHS);
	for (size_t i = 0; i < j->v->join.buffers.n; i++) {
		const struct join_buffer *b = &j->v->join.buffers.at[i];
		uint32_t group = group_of_buffer(j, b);

		if (group != MAP_NONE && b->born_ns >= growth_group(j, group)->evidence.warm_ns && is_sample(j, group))
			look_below(j, b->owner, &j->tally[group]);
	}
	for (object_id o = 0; o < h->n; o++) {
		uint32_t group = group_with(j, o);

		if (group != MAP_NONE && !is_lost(j, o) && is_late(j, group, o) && is_sample(j, group))
			look_below(j, o, &j->tally[group]);
	}
}

/* What waits for the collector, if anything is there to be accused. */
static uint64_t *find_dead(const struct judging *j)
{
	const struct growth *g = &j->t->growth;
	uint64_t *dead;
	int32_t *surplus;
	size_t found = 0;

	for (size_t i = 0; i < g->groups.n; i++)
		found += g->groups.at[i].verdict == GROWTH_FOUND;
	if (!found || !remains_collects(j->t->remains))
		return NULL;
	surplus = garbage_surplus(&j->v->heap);
	dead = garbage_dead(&j->v->heap, surplus);
	free(surplus);
	return dead;
}

/* What nothing leads to when C code holds nothing. */
static uint64_t *find_adrift(const struct judging *j)
{
	int32_t *nothing = mem_zero(j->v->heap.n + 1, sizeof *nothing);
	uint64_t *adrift = garbage_dead(&j->v->heap, nothing);

	free(nothing);
	return adrift;
}

static void start(struct judging *j, struct report_trace *t)
{
	*j = (struct judging){ .t = t, .v = &t->remains->view, .s = &t->remains->surplus };
	j->surplus = surplus_of(&j->v->heap, &j->v->join);
	j->dead = find_dead(j);
	if (j->dead)
		pieces_find(&j->pieces, &j->v->heap, j->dead);
	j->adrift = find_adrift(j);
	j->tally = mem_zero(t->growth.groups.n + 1, sizeof *j->tally);
	list_groups(j);
	count_led(j);
	count_objects(j);
	count_buffers(j);
	count_in_piece(j);
	sum_points(j);
}

static void end(struct judging *j)
{
	free(j->surplus);
	free(j->dead);
	free(j->adrift);
	pieces_free(&j->pieces);
	free(j->group_of);
	map_free(&j->others);
	free(j->tally);
}

struct finding_lost *finding_lost_judge(struct report_trace *t)
{
	struct finding_lost *judged;
	struct judging j;
	bool any = false;

	if (!t->remains || !t->remains->view.loaded || !t->remains->surplus.n)
		return NULL;
	start(&j, t);
	judged = mem_zero(t->growth.groups.n + 1, sizeof *judged);
	for (uint32_t i = 0; i < t->growth.groups.n; i++)
		any |= j.tally[i].own >= OBJECTS_LEAST;
	if (any)
		sample_below(&j);
	for (uint32_t i = 0; i < t->growth.groups.n; i++)
		judged[i] = judge(&j, i);
	for (uint32_t i = 0; i < t->growth.groups.n; i++)
		judge_below(&j, judged, i);
	end(&j);
	return judged;
}

/* ---- a few objects with many references ---- */

static bool is_claimed(const struct report_trace *t, const struct finding_lost *judged, node_id node)
{
	for (size_t i = 0; node != NODE_UNKNOWN && i < t->curves.curves.n; i++) {
		uint32_t group = t->growth.group_of[i];

		if (t->curves.curves.at[i].node == node && group != MAP_NONE && judged[group].kind == LOST_OBJECTS)
			return true;
	}
	return false;
}

static enum growth_verdict judge_shared(const struct report_trace *t, const struct surplus_group *g,
					uint64_t *ret_grown)
{
	const struct surplus *s = &t->remains->surplus;
	enum surplus_trend trend = surplus_trend(s, g->at, ret_grown);

	if (!g->exact || g->types || g->healthy || g->most < SHARED_GROWN ||
	    g->most * SHARED_FEW < g->at[s->n - 1].references)
		return GROWTH_HELD;
	if (trend == SURPLUS_GROWS)
		return GROWTH_FOUND;
	return trend == SURPLUS_FEW && g->most >= SHARED_LEAST ? GROWTH_UNDECIDED : GROWTH_HELD;
}

void finding_lost_shared(struct report_trace *t, const struct finding_lost *judged, struct finding *ret, size_t *n)
{
	const struct surplus *s = &t->remains->surplus;

	for (size_t i = 0; i < s->groups.n; i++) {
		const struct surplus_group *g = &s->groups.at[i];
		uint64_t grown;
		enum growth_verdict verdict = judge_shared(t, g, &grown);
		struct finding *f;

		if (verdict == GROWTH_HELD || is_claimed(t, judged, g->node))
			continue;
		f = &ret[(*n)++];
		*f = (struct finding){
			.trace = t,
			.sum = { .verdict = verdict, .node = g->node, .first_ns = g->born_ns, .last_ns = g->born_ns },
			.lost = { .kind = LOST_SHARED,
				  .found = verdict == GROWTH_FOUND,
				  .leader = MAP_NONE,
				  .type = g->type,
				  .name = g->name,
				  .objects = g->at[s->n - 1].objects,
				  .references = g->at[s->n - 1].references,
				  .grown = grown },
		};
		memcpy(f->lost.at, g->at, sizeof f->lost.at);
		f->blame = place_blame(&t->places, f->sum.node);
	}
}

/* ---- the run that proves it ---- */

/* The innermost line of Python: what is known of a block when it is made. NULL: none that says something. */
static const struct place *python_line(struct report_trace *t, node_id node)
{
	const struct defs *d = &t->trace.defs;

	for (node_id at = node; at > NODE_UNKNOWN; at = defs_frame(d, at)->parent) {
		const struct place *p;

		if (defs_frame(d, at)->kind != NODE_PYTHON)
			continue;
		p = place_find(&t->places, at);
		return *p->file && *p->file != '<' ? p : NULL;
	}
	return NULL;
}

/* Rules name the last components of a path. */
static const char *last_components(const char *file)
{
	const char *up = file;

	while ((up = strstr(file, "../")) || (up = strstr(file, "./")))
		file = strchr(up, '/') + 1;
	return file;
}

/* Whether the tracer kept its objects off free lists in this run: a rule asked for the type. */
static bool is_off_free_lists(const struct report_trace *t, const char *type)
{
	const char *rules = defs_meta(&t->trace.defs, "watch", NULL), *at;
	char word[64];
	size_t len = (size_t)snprintf(word, sizeof word, "type:%s", type);

	for (at = rules ? strstr(rules, word) : NULL; at; at = strstr(at + 1, word)) {
		if (!at[len] || strchr(", ", at[len]))
			return strcmp(type, "float") != 0;
	}
	return false;
}

bool finding_is_reused(const struct report_trace *t, const char *type)
{
	static const char *const types[] = { "list", "dict", "tuple", "float" };

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(types[i], type))
			return !is_off_free_lists(t, type);
	return false;
}

char *finding_rule_of(struct report_trace *t, const char *type, node_id node, char *buf, size_t cap)
{
	const struct place *p = finding_is_reused(t, type) ? NULL : python_line(t, node);
	size_t used = 0;

	*buf = 0;
	if (finding_is_reused(t, type))
		snprintf(buf, cap, "type:%s", type);
	else if (*type && (p || strchr(type, '.')))
		used = (size_t)snprintf(buf, cap, "type:%s", type);
	if (p && used < cap)
		snprintf(buf + used, cap - used, "%ssite:%s:%d", used ? " " : "", last_components(p->short_file),
			 p->at.line);
	return buf;
}

char *finding_rule(const struct finding *f, char *buf, size_t cap)
{
	return finding_rule_of(f->trace, strings_text(&f->trace->remains->surplus.strings, f->lost.type), f->sum.node,
			       buf, cap);
}

char *finding_watch(const struct finding *f, char *buf, size_t cap)
{
	char rule[600];

	*buf = 0;
	if (f->lost.kind && *finding_rule(f, rule, sizeof rule))
		snprintf(buf, cap, "PYTRACE_WATCH='%s'", rule);
	return buf;
}

/* ---- for people ---- */

static const char *type_of(const struct finding *f)
{
	return strings_text(&f->trace->remains->surplus.strings, f->lost.type);
}

static int put_what(const struct finding *f, char *buf, size_t cap)
{
	const char *name = strings_text(&f->trace->remains->surplus.strings, f->lost.name);
	int used;

	if (f->lost.kind == LOST_NOBODY)
		return snprintf(buf, cap,
				"nobody in the Python heap refers to %s of them, and nothing in it points there",
				format_count(f->lost.unknown).text);
	if (f->lost.objects == 1)
		return snprintf(buf, cap, "one %s%s%s has %s references that nobody holds", type_of(f),
				*name ? " " : "", name, format_count(f->lost.references).text);
	used = snprintf(buf, cap, "%s objects of type %s have %s references that nobody holds",
			format_count(f->lost.objects).text, type_of(f), format_count(f->lost.references).text);
	if (f->lost.kind == LOST_OBJECTS && f->lost.unknown * UNKNOWN_SHOWN >= f->lost.objects && used < (int)cap)
		used += snprintf(buf + used, cap - (size_t)used, ", and nobody refers to %s beside them",
				 format_plural(f->lost.unknown, "block", "blocks").text);
	return used;
}

char *finding_lost_why(const struct finding *f, char *buf, size_t cap)
{
	const struct growth_evidence *e = &f->sum.evidence;
	const struct surplus *s = &f->trace->remains->surplus;
	size_t used = (size_t)put_what(f, buf, cap);

	if (used >= cap)
		return buf;
	if (f->lost.found)
		snprintf(buf + used, cap - used,
			 ": taken and not given back; they grew from snapshot to snapshot, by %s in %u",
			 format_count(f->lost.grown).text, s->n);
	else if (f->sum.verdict == GROWTH_FOUND)
		snprintf(buf + used, cap - used,
			 ": taken and not given back; after the warm-up they grew in %u of %u windows of work, up to "
			 "the "
			 "end and without slowing down",
			 e->growing, e->windows);
	else if (f->lost.kind == LOST_SHARED && s->n < 4)
		snprintf(
			buf + used, cap - used,
			"; one snapshot can't tell whether there are more and more of them, or C code just keeps them");
	else
		snprintf(buf + used, cap - used, "; the run does not show that there are more and more of them");
	used = strlen(buf);
	if (finding_is_reused(f->trace, type_of(f)) && used < cap)
		snprintf(buf + used, cap - used, " (the line may be that of an earlier %s in the same block)",
			 type_of(f));
	return buf;
}

json_t *finding_lost_json(const struct finding *f)
{
	static const char *const kinds[] = {
		[LOST_OBJECTS] = "objects", [LOST_SHARED] = "shared", [LOST_NOBODY] = "unreferenced"
	};
	const struct surplus *s = &f->trace->remains->surplus;
	json_t *o, *points;

	if (!f->lost.kind)
		return json_null();
	o = json_object();
	points = json_array();
	json_put(o, "kind", json_text(kinds[f->lost.kind]));
	json_put(o, "type", *type_of(f) ? json_text(type_of(f)) : json_null());
	json_put(o, "objects", json_bytes(f->lost.objects));
	json_put(o, "unreferenced", json_bytes(f->lost.unknown));
	json_put(o, "references", json_bytes(f->lost.references));
	json_put(o, "grown", json_bytes(f->lost.grown));
	for (unsigned i = 0; i < s->n && f->lost.kind != LOST_NOBODY; i++) {
		json_t *point = json_object();

		json_put(point, "snapshot", json_bytes(s->numbers[i]));
		json_put(point, "t_s", json_seconds(s->ns[i]));
		json_put(point, "objects", json_bytes(f->lost.at[i].objects));
		json_put(point, "references", json_bytes(f->lost.at[i].references));
		json_add(points, point);
	}
	json_put(o, "snapshots", points);
	return o;
}
