/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a leak differs from everything else that stays
 *
 *   It goes on.     Imports, interned strings and thread pools come once; a cache that is full stays as it is. So what
 *                   counts is growth after a warm-up, and growth up to the end.
 *   It never goes back. A bounded cache that throws out old entries for new ones always holds blocks made just now,
 *                   but its live bytes stay level. So the curve of live bytes is judged, not the age of blocks; and of
 *                   the curve its lower envelope (the least that is still to come), which no sawtooth of garbage that
 *                   waits for its collection can lift. Garbage that piled up once more before the end looks like
 *                   growth even so: a curve that fell deep in between is doubted.
 *   It does not slow down. A cache that fills up with random keys grows less and less; a leak goes on with the work.
 *
 * Windows are of equal work, or of equal numbers of the program's own marks (growth_windows.c): an idle night between
 * two requests is no evidence, and a start-up of a million events does not push the ten thousand that matter into the
 * last window.
 *
 * Where most of the work is blocks that stay, the windows are cut by what is to be judged: a cache that fills up with
 * random keys grows by the same in each, and the time after it is full is in none of them. There the clock is asked,
 * too: growth must not have slowed down much in time, nor have rested for half as long as it lasted. (300 entries that
 * come at random grew in 12 of 12 windows; in time, by 67 % in the first half and by 8 % in the second.)
 *
 * It is the same each time. A service leaks with each request, so windows of equal work bring equal amounts. What a
 * compiler builds of one module is not what it builds of the next: windows differ. (Of 40 programs that leak none
 * differed by more than 6 % on average; one that parses files by 24 %.) Without marks of the program's that is all that
 * can be known; with them windows are what the program says is the same. Threads mix their work as they come to run,
 * and are not doubted for it.
 *
 * A program that only loads data (one call makes nearly all blocks there are) grows to its end, too: no leak is
 * claimed. But a loader computes, and who serves waits for what comes next, again and again, up to the end. On a busy
 * machine time passes without a program's doing, so what it did itself is asked for, too: how often it let go of the
 * processor.
 *
 * Stacks are judged alone first, so that a table that was built once and lies in the same function does not hide a leak
 * beside it. What was not found is judged by the functions of the stack (recursion of any depth, several lines of one
 * function), then by the innermost function alone: it may be called from many places, from each too rarely to tell.
 *
 * CPython has caches of its own that keep whatever happens to come by (attribute names of 4096 lookups): a little
 * growth of which old blocks are given back for new ones all the time is taken for such a cache.
 *
 * What grew by little in all is withdrawn (growth_weigh): small caches fill up during any run. What each mark brought
 * the same amount of may be few blocks: nothing fills up like that.
 *
 * Whatever is not clear is "undecided", with the doubt; it is never a finding.
 */
#include "analyzer/growth/growth.h"
#include "analyzer/base/mem.h"
#include "analyzer/base/path.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

#define LAST_SHARE       4                   /* the last quarter of the windows after the warm-up ... */
#define LAST_MIN         2                   /* ... and at least so many are the last ones */
#define IDLE_NS          UINT64_C(500000000) /* a rest at the end that is worth a doubt: at least this ... */
#define IDLE_TIMES       2                   /* ... and so many times as long as it grew */
#define OWN_WORK_PERCENT 50 /* of all work by blocks that stay: windows of work say little, the clock is asked */
#define SLOWING_IN_TIME  25 /* then the last half of the time must bring this much of what the first half brought */
#define OWN_LEAST_NS     UINT64_C(1000000000) /* what the clock says of less, a busy machine may have done */
#define BUILDING_PERCENT 90                   /* of all work by one stack: a program that builds one thing */
#define DEMAND_RESTS     4                    /* of who serves, in each window; and ... */
#define DEMAND_WORK      2000                 /* ... one for so many blocks, at least */
#define STEADY_PERCENT   75                   /* of the windows in which a group of many blocks must grow */
#define STEADY_FEW       50                   /* the same for a few large blocks, which can't grow in each window */
#define FEW_BYTES        65536                /* few blocks must be large to count */
#define SMALL_BYTES      4096                 /* less is noise: a handful of interned names, a resized table */
#define UNDECIDED_BYTES  65536                /* doubtful growth below this is not worth a line ... */
#define UNDECIDED_SHARE  200                  /* ... nor below this part of all that is alive */
#define SHARE_PERCENT    10 /* growth of less than this share of the group is noise on something that is held */
#define GONE_TIMES       2  /* what grew by so many times as much as is left was given back while the program closed */
#define LITTLE_BYTES     16384 /* together they must have grown by this ... */
#define LITTLE_SHARE     1000  /* ... and by this part of all that is alive ... */
#define LITTLE_BLOCKS    200   /* ... and by so many blocks (many caches hold 128), unless they are large */
#define SOME_BLOCKS      1000  /* fewer than these must be ... */
#define SOME_SHARE       100   /* ... this part of all: garbage of the oldest generation waits long in a large heap */
#define LARGE_BYTES      262144
#define EVICTING_PERCENT 2      /* old blocks given back, of those that stayed: more is eviction ... */
#define EVICTING_BYTES   262144 /* ... unless it grew by more than a cache of names can */
#define FALL_PERCENT     20     /* a fall by more than this share of the growth is a sawtooth */
#define ALONE_PERCENT    98     /* of all events by one thread: no other mixes its work with it */
#define UNEVEN_PERCENT   10     /* by which windows may differ in the blocks that they brought, on average ... */
#define UNEVEN_CHANCE    90     /* ... and so many percent more over the root of these */
#define SLOWING_PERCENT  60     /* the last half must bring at least this much of what the first half brought */

/* A grouping under construction: curves that are not taken yet, by some key. */
struct grouping {
	struct growth *g;
	struct map by_key;
	uint32_t *group_of; /* by curve: index in groups; MAP_NONE */
	ARRAY(struct growth_group) groups;
};

/* ---- normalised stacks ---- */

static uint64_t code_hash(const struct defs *d, const struct code *code)
{
	const char *file = path_name(strings_text(&d->strings, code->file));
	const char *name = strings_text(&d->strings, code->name);

	return map_mix(pt_xxh3(file, strlen(file))) ^ pt_xxh3(name, strlen(name));
}

/* What a frame of Python or of machine code counts as; 0: it is passed over. `alone`: no Python frame called it. */
static uint64_t function_of(const struct defs *d, const uint64_t *of_code, const struct growth_natives *natives,
			    node_id id, bool alone)
{
	const struct node *node = defs_frame(d, id);

	if (node->kind == NODE_PYTHON)
		return of_code[node->code];
	if (node->kind != NODE_NATIVE || !natives || node->flags & NODE_INTERNAL)
		return 0;
	return natives->function(natives->self, id, alone);
}

static uint64_t frame_hash(const struct node *node)
{
	struct node frame = *node;

	frame.parent = 0;
	return pt_xxh3(&frame, sizeof frame);
}

/* A function that calls itself counts once in a fingerprint: recursion of any depth is one stack. */
static void normalise_node(struct growth *g, const struct defs *d, node_id i, uint64_t function)
{
	node_id parent = defs_frame(d, i)->parent;
	uint64_t below = g->fingerprints[parent];
	bool again = function == g->functions[parent];

	g->functions[i] = function ? function : g->functions[parent];
	g->fingerprints[i] = !function || again ? below : map_mix(below * 31 + function);
	g->stacks[i] = function ? map_mix(g->stacks[parent] * 31 + frame_hash(defs_frame(d, i))) : g->stacks[parent];
}

/* Callers have smaller numbers, so one pass settles all. */
static void normalise(struct growth *g, const struct defs *d, const struct growth_natives *natives)
{
	size_t n = d->stacks.nodes.n + 2;
	uint64_t *of_code = mem_zero(d->codes.n + 1, sizeof *of_code);
	bool *python = mem_zero(n, sizeof *python);

	g->functions = mem_zero(n, sizeof *g->functions);
	g->fingerprints = mem_zero(n, sizeof *g->fingerprints);
	g->stacks = mem_zero(n, sizeof *g->stacks);
	g->fingerprints[NODE_EMPTY] = 1;
	g->fingerprints[NODE_UNKNOWN] = 2;
	g->stacks[NODE_UNKNOWN] = 1;
	for (size_t i = 0; i < d->codes.n; i++)
		of_code[i] = code_hash(d, &d->codes.at[i]);
	for (node_id i = NODE_UNKNOWN + 1; i < d->stacks.nodes.n; i++) {
		const struct node *node = defs_frame(d, i);

		python[i] = python[node->parent] || node->kind == NODE_PYTHON;
		normalise_node(g, d, i, function_of(d, of_code, natives, i, !python[i]));
	}
	free(of_code);
	free(python);
}

/* ---- windows ---- */

/* Whether one thread did nearly all. */
static bool is_alone(const struct trace *t)
{
	uint64_t most = 0;

	for (size_t i = 0; i < t->threads.n; i++)
		most = t->threads.at[i].n_events > most ? t->threads.at[i].n_events : most;
	return most * 100 >= t->n_events * ALONE_PERCENT;
}

/* Whether most of what the program made is still there: then the work is what is to be judged. */
static bool stays(const struct curves *c)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < c->curves.n; i++)
		blocks += c->working[c->curves.at[i].node] ? c->curves.at[i].blocks : 0;
	return blocks * 100 >= c->work * OWN_WORK_PERCENT;
}

/* Whether it rested in each window, and often for what it made; of its own will. */
static bool rests_often(const struct growth *g)
{
	const struct curves *c = g->curves;
	uint64_t before = 0, rests = 0, work = 0;

	for (uint32_t i = 0; i <= g->borders[g->n_warm]; i++)
		before += c->slices.at[i].rests;
	for (uint32_t w = g->n_warm; w < g->n_windows; w++) {
		uint64_t in_window = 0;

		for (uint32_t i = g->borders[w] + 1; i <= g->borders[w + 1]; i++) {
			in_window += c->slices.at[i].rests;
			work += c->slices.at[i].work;
		}
		if (in_window < DEMAND_RESTS)
			return false;
		rests += in_window;
	}
	return rests * DEMAND_WORK >= work && c->waits >= before + rests / 2;
}

/* ---- the verdict on one curve ---- */

/* The least that is still to come. */
static void lower_envelope(int64_t *level, uint32_t n)
{
	for (uint32_t w = n; w-- > 0;) {
		if (level[w] > level[w + 1])
			level[w] = level[w + 1];
	}
}

/* The deepest fall from a height before. */
static int64_t deepest_fall(const uint64_t *curve, uint32_t from, uint32_t to)
{
	uint64_t height = 0, fall = 0;

	for (uint32_t w = from; w <= to; w++) {
		height = curve[w] > height ? curve[w] : height;
		fall = height - curve[w] > fall ? height - curve[w] : fall;
	}
	return (int64_t)fall;
}

/* The last windows, in which growth must go on, are those beyond this one. */
static uint32_t last_windows(uint32_t warm, uint32_t n)
{
	uint32_t last = (n - warm) / LAST_SHARE;

	return n - (last > LAST_MIN ? last : LAST_MIN);
}

/* Whether each window grew by the same, and each mark can have its equal part of it. */
static bool is_even(const uint64_t *curve, uint32_t warm, uint32_t n, uint64_t marks)
{
	for (uint32_t w = warm; w < n; w++)
		if (curve[w + 1] <= curve[w] || curve[w + 1] - curve[w] != curve[warm + 1] - curve[warm])
			return false;
	return marks && (curve[warm + 1] - curve[warm]) % marks == 0;
}

/* What a mark brings, in which all windows agree. */
static void measure_marks(const struct growth *g, struct growth_group *group)
{
	struct growth_evidence *e = &group->evidence;
	uint32_t warm = g->n_warm;

	if (!g->window_marks || !is_even(group->curve_bytes, warm, g->n_windows, g->window_marks) ||
	    !is_even(group->curve_blocks, warm, g->n_windows, g->window_marks))
		return;
	e->even_bytes = (group->curve_bytes[warm + 1] - group->curve_bytes[warm]) / g->window_marks;
	e->even_blocks = (group->curve_blocks[warm + 1] - group->curve_blocks[warm]) / g->window_marks;
}

/* The work of some windows. By work they are cut where slices end: of 70 slices twelve windows have five or six each.
 */
static double work_of(const struct growth *g, uint32_t from, uint32_t to)
{
	double work = 0;

	if (g->marks)
		return to - from;
	for (uint32_t i = g->borders[from] + 1; i <= g->borders[to]; i++)
		work += (double)g->curves->slices.at[i].work;
	return work;
}

/* How much the windows differ in blocks that they brought for their work (but for the last one of work, in which the
 * program may have done what it does to end): the mean distance from the mean, in percent of it. */
static uint32_t spread_of(const struct growth *g, const uint64_t *blocks, uint32_t warm, uint32_t n)
{
	double brought = (double)blocks[n] - (double)blocks[warm], work = work_of(g, warm, n), off = 0;

	if (brought <= 0 || work <= 0)
		return 0;
	for (uint32_t w = warm; w < n; w++) {
		double by = (double)blocks[w + 1] - (double)blocks[w] - brought * work_of(g, w, w + 1) / work;

		off += by < 0 ? -by : by;
	}
	return (uint32_t)(off / brought * 100 + 0.5);
}

static void measure(const struct growth *g, struct growth_group *group)
{
	struct growth_evidence *e = &group->evidence;
	uint32_t n = g->n_windows, warm = g->n_warm, half = warm + (n - warm) / 2, last = last_windows(warm, n);
	int64_t level[GROWTH_WINDOWS_MAX + 1];

	*e = (struct growth_evidence){ .windows = n - warm, .late_deaths = e->late_deaths };
	for (uint32_t w = 0; w <= n; w++)
		level[w] = (int64_t)group->curve_bytes[w];
	lower_envelope(level, n);
	for (uint32_t w = warm + 1; w <= n; w++) {
		e->growing += level[w] > level[w - 1];
		e->growing_last += w > last && level[w] > level[w - 1];
	}
	e->warm_bytes = group->curve_bytes[warm];
	e->fall_bytes = deepest_fall(group->curve_bytes, warm, n);
	e->grown_bytes = level[n] - level[warm];
	e->grown_blocks = (int64_t)group->curve_blocks[n] - (int64_t)group->curve_blocks[warm];
	e->first_half_bytes = level[half] - level[warm];
	e->last_half_bytes = level[n] - level[half];
	e->warm_ns = g->curves->slices.at[g->borders[warm]].end_ns;
	e->end_ns = g->curves->slices.at[g->borders[n]].end_ns;
	measure_marks(g, group);
	e->spread_percent = spread_of(g, group->curve_blocks, warm, g->marks ? n : n - 1);
}

static bool is_noise(const struct growth_group *group)
{
	const struct growth_evidence *e = &group->evidence;
	uint64_t grown = (uint64_t)e->grown_bytes;

	return e->grown_bytes < SMALL_BYTES || grown * 100 < group->bytes * SHARE_PERCENT ||
	       group->bytes * GONE_TIMES < grown;
}

/* Few blocks, or none but larger ones in their place, can't grow in each window. */
static enum growth_doubt doubt_of(const struct growth_evidence *e)
{
	bool many = e->grown_blocks >= (int64_t)e->windows;
	uint32_t percent = many ? STEADY_PERCENT : STEADY_FEW;

	if (e->growing * 100 < e->windows * percent || e->growing_last < (many ? 2u : 1u))
		return GROWTH_GAPS;
	if (!many && e->grown_bytes < FEW_BYTES)
		return GROWTH_GAPS;
	if (e->last_half_bytes * 100 < e->first_half_bytes * SLOWING_PERCENT)
		return GROWTH_SLOWING;
	if (e->fall_bytes * 100 > e->grown_bytes * FALL_PERCENT)
		return GROWTH_SAWTOOTH;
	if (e->grown_bytes < EVICTING_BYTES && (int64_t)e->late_deaths * 100 > e->grown_blocks * EVICTING_PERCENT)
		return GROWTH_EVICTING;
	return GROWTH_NO_DOUBT;
}

/* Whether windows of the same work brought so different amounts that it was not the same work: the program builds
 * something of different inputs. Few blocks differ by chance, by about the root of their number. */
bool growth_is_uneven(const struct growth *g, const struct growth_evidence *e)
{
	double each = (double)e->grown_blocks / (e->windows ? e->windows : 1);
	double over = (double)e->spread_percent - UNEVEN_PERCENT;

	return !g->marks && g->alone && over > 0 && over * over * each > (double)UNEVEN_CHANCE * UNEVEN_CHANCE;
}

/* Whether this group made nearly all there is, and most of that stayed. */
static bool is_building(const struct growth *g, const struct growth_group *group)
{
	return !g->on_demand && group->node > NODE_UNKNOWN &&
	       group->births * 100 >= g->curves->work * BUILDING_PERCENT && group->blocks * 2 >= group->births;
}

/* Whether doubtful growth by so much is worth a line. */
static bool is_worth_a_line(const struct growth *g, int64_t bytes)
{
	return bytes >= UNDECIDED_BYTES && (uint64_t)bytes >= g->live_bytes / UNDECIDED_SHARE;
}

static uint64_t border_ns(const struct growth *g, uint32_t w) { return g->curves->slices.at[g->borders[w]].end_ns; }

/* What a border's clock shows: the time; where the program rests all the time, the number of its rests, which no other
 * program on the machine can draw out. */
static double border_clock(const struct growth *g, uint32_t w)
{
	uint64_t rests = 0;

	if (!g->on_demand)
		return (double)border_ns(g, w);
	for (uint32_t i = 0; i <= g->borders[w]; i++)
		rests += g->curves->slices.at[i].rests;
	return (double)rests;
}

/* Between two values by the rule of three. */
static double between(double from, double to, double at, double first, double last)
{
	return last > first ? from + (to - from) * (at - first) / (last - first) : to;
}

/* What the clock showed at a time after the warm-up. */
static double clock_at(const struct growth *g, uint64_t ns)
{
	uint32_t w = g->n_warm + 1;

	while (w < g->n_windows && border_ns(g, w) < ns)
		w++;
	return ns >= border_ns(g, w) ? border_clock(g, w)
				     : between(border_clock(g, w - 1), border_clock(g, w), (double)ns,
					       (double)border_ns(g, w - 1), (double)border_ns(g, w));
}

/* What was alive when the clock showed this, after the warm-up. */
static double bytes_at(const struct growth *g, const struct growth_group *group, double clock)
{
	uint32_t w = g->n_warm + 1;

	while (w < g->n_windows && border_clock(g, w) < clock)
		w++;
	return clock >= border_clock(g, w) ? (double)group->curve_bytes[w]
					   : between((double)group->curve_bytes[w - 1], (double)group->curve_bytes[w],
						     clock, border_clock(g, w - 1), border_clock(g, w));
}

/* Whether it slowed down by the clock, from the warm-up to its newest block. */
static bool slows_in_time(const struct growth *g, const struct growth_group *group)
{
	uint64_t from_ns = group->evidence.warm_ns, to_ns = group->last_ns;
	double first = border_clock(g, g->n_warm), last, from, middle, to;

	if (!g->own_work || to_ns < from_ns + OWN_LEAST_NS)
		return false;
	last = clock_at(g, to_ns);
	from = bytes_at(g, group, first);
	middle = bytes_at(g, group, first + (last - first) / 2);
	to = bytes_at(g, group, last);
	return (to - middle) * 100 < (middle - from) * SLOWING_IN_TIME;
}

/* Whether nothing of it came for much longer than it grew before; or, when it was the work, for half as long. */
static bool has_stopped(const struct growth *g, const struct growth_group *group)
{
	uint64_t end_ns = g->curves->end_ns, from_ns = group->evidence.warm_ns;
	uint64_t grew_ns = group->last_ns > from_ns ? group->last_ns - from_ns : 0;
	uint64_t rest_ns = end_ns > group->last_ns ? end_ns - group->last_ns : 0;

	if (g->own_work && rest_ns > IDLE_NS && rest_ns * IDLE_TIMES > grew_ns)
		return true;
	return rest_ns > IDLE_NS && rest_ns / IDLE_TIMES > grew_ns;
}

/* What there is against it, of a group that grew. */
static enum growth_doubt all_doubts(const struct growth *g, struct growth_group *group)
{
	enum growth_doubt doubt = doubt_of(&group->evidence);

	if (doubt != GROWTH_NO_DOUBT)
		return doubt;
	if (g->curves->importing[group->node])
		return GROWTH_IMPORTING;
	if (growth_is_uneven(g, &group->evidence))
		return GROWTH_UNEVEN;
	if (slows_in_time(g, group))
		return GROWTH_SLOWING;
	if (is_building(g, group))
		return GROWTH_BUILDING;
	if (has_stopped(g, group))
		return GROWTH_STOPPED;
	return growth_is_built(g, group) ? GROWTH_GIVEN_BACK : GROWTH_NO_DOUBT;
}

static void judge(const struct growth *g, struct growth_group *group)
{
	group->verdict = GROWTH_HELD;
	if (!g->n_windows) {
		group->doubt = GROWTH_TOO_SHORT;
		if (is_worth_a_line(g, (int64_t)group->bytes) && !g->curves->importing[group->node] &&
		    group->node > NODE_UNKNOWN)
			group->verdict = GROWTH_UNDECIDED;
		return;
	}
	growth_reopen(g, group);
	measure(g, group);
	if (is_noise(group)) {
		growth_close(group);
		return;
	}
	group->doubt = all_doubts(g, group);
	if (group->doubt == GROWTH_NO_DOUBT)
		group->verdict = GROWTH_FOUND;
	else if (is_worth_a_line(g, group->evidence.grown_bytes) && group->evidence.growing_last &&
		 (group->doubt != GROWTH_GAPS || group->evidence.growing * 100 >= group->evidence.windows * STEADY_FEW))
		group->verdict = GROWTH_UNDECIDED;
	else
		growth_close(group);
}

/* ---- grouping ---- */

static bool key_by_frames(const struct growth *g, const struct curve *curve, uint64_t *ret_key)
{
	*ret_key = g->stacks[curve->node];
	return true;
}

static bool key_by_stack(const struct growth *g, const struct curve *curve, uint64_t *ret_key)
{
	*ret_key = g->fingerprints[curve->node];
	return true;
}

/* Imports come by many paths and grow by each: they are left out. */
static bool key_by_function(const struct growth *g, const struct curve *curve, uint64_t *ret_key)
{
	*ret_key = map_mix(g->functions[curve->node]);
	if (!g->functions[curve->node] || g->curves->importing[curve->node])
		return false;
	return true;
}

/* How curves are brought together, one after the other; of all but the last only what was found is kept. */
static const struct level {
	bool (*key)(const struct growth *g, const struct curve *curve, uint64_t *ret_key);
	bool found_only;
	bool alive_only; /* groups of which nothing is alive are not even made: there are very many */
} levels[] = {
	{ key_by_frames, true, true },
	{ key_by_stack, true, false },
	{ key_by_function, true, false },
	{ key_by_stack, false, false },
};

static void add_curve(struct grouping *p, uint32_t number, uint64_t key)
{
	const struct curve *curve = &p->g->curves->curves.at[number];
	uint32_t *at = map_at(&p->by_key, key);
	struct growth_group *group;

	if (*at == MAP_NONE) {
		*at = (uint32_t)p->groups.n;
		*array_push(&p->groups) = (struct growth_group){ .first_ns = UINT64_MAX };
	}
	p->group_of[number] = *at;
	group = &p->groups.at[*at];
	group->bytes += curve->bytes;
	group->blocks += curve->blocks;
	group->births += curve->births;
	group->evidence.late_deaths += curve->late_deaths;
	group->layers |= (uint16_t)(curve->bytes ? 1u << curve->layer : 0);
	if (curve->first_ns < group->first_ns)
		group->first_ns = curve->first_ns;
	if (curve->last_ns > group->last_ns)
		group->last_ns = curve->last_ns;
	group->n_stacks += curve->blocks > 0;
	if (curve->bytes >= group->node_bytes) {
		group->node = curve->node;
		group->node_bytes = curve->bytes;
	}
	if (p->g->n_windows) {
		curves_sum(p->g->curves, curve, p->g->borders, p->g->n_windows + 1, group->curve_bytes,
			   group->curve_blocks);
		growth_add_closing(p->g, group, curve);
	}
}

/* Takes over the groups that are kept, and their curves. */
static void keep(struct grouping *p, bool found_only)
{
	struct growth *g = p->g;
	uint32_t *new_index = mem_alloc((p->groups.n + 1) * sizeof *new_index);

	for (size_t i = 0; i < p->groups.n; i++) {
		const struct growth_group *group = &p->groups.at[i];

		new_index[i] = MAP_NONE;
		if (!group->bytes || (found_only && group->verdict != GROWTH_FOUND))
			continue;
		new_index[i] = (uint32_t)g->groups.n;
		*array_push(&g->groups) = *group;
	}
	for (size_t i = 0; i < g->curves->curves.n; i++) {
		if (g->group_of[i] == MAP_NONE && p->group_of[i] != MAP_NONE)
			g->group_of[i] = new_index[p->group_of[i]];
	}
	free(new_index);
}

/* At the end, or before the program closed. */
static bool was_alive(const struct growth *g, const struct curve *curve)
{
	uint64_t bytes = 0, blocks = 0;

	if (!curve->bytes && g->n_windows)
		curves_sum(g->curves, curve, &g->closing, 1, &bytes, &blocks);
	return curve->bytes || bytes;
}

/* Of those that no level before took: the curves of which something is alive, or the others. */
static void take_curves(struct grouping *p, const struct level *level, bool alive)
{
	const struct curves *c = p->g->curves;
	uint64_t key;

	for (uint32_t i = 0; i < c->curves.n; i++) {
		if (p->g->group_of[i] != MAP_NONE || was_alive(p->g, &c->curves.at[i]) != alive ||
		    !level->key(p->g, &c->curves.at[i], &key))
			continue;
		if (alive || !level->alive_only || map_find(&p->by_key, key) != MAP_NONE)
			add_curve(p, i, key);
	}
}

static void judge_level(struct growth *g, const struct level *level)
{
	const struct curves *c = g->curves;
	struct grouping p = { .g = g, .group_of = mem_alloc((c->curves.n + 1) * sizeof *p.group_of) };

	memset(p.group_of, 0xff, (c->curves.n + 1) * sizeof *p.group_of);
	take_curves(&p, level, true);
	take_curves(&p, level, false);
	for (size_t i = 0; i < p.groups.n; i++)
		judge(g, &p.groups.at[i]);
	keep(&p, level->found_only);
	map_free(&p.by_key);
	array_free(&p.groups);
	free(p.group_of);
}

/* ---- the order ---- */

struct ranked {
	struct growth_group group;
	uint32_t index;
};

static int64_t weight(const struct growth_group *group)
{
	return group->verdict == GROWTH_FOUND ? group->evidence.grown_bytes : (int64_t)group->bytes;
}

static int compare(const void *left, const void *right)
{
	const struct growth_group *a = &((const struct ranked *)left)->group,
				  *b = &((const struct ranked *)right)->group;

	if (a->verdict != b->verdict)
		return a->verdict < b->verdict ? -1 : 1;
	if (weight(a) != weight(b))
		return weight(a) > weight(b) ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static void sort_groups(struct growth *g)
{
	struct ranked *ranked = mem_alloc((g->groups.n + 1) * sizeof *ranked);
	uint32_t *new_index = mem_alloc((g->groups.n + 1) * sizeof *new_index);

	for (uint32_t i = 0; i < g->groups.n; i++)
		ranked[i] = (struct ranked){ g->groups.at[i], i };
	qsort(ranked, g->groups.n, sizeof *ranked, compare);
	for (uint32_t i = 0; i < g->groups.n; i++) {
		g->groups.at[i] = ranked[i].group;
		new_index[ranked[i].index] = i;
	}
	for (size_t i = 0; i < g->curves->curves.n; i++) {
		if (g->group_of[i] != MAP_NONE)
			g->group_of[i] = new_index[g->group_of[i]];
	}
	free(ranked);
	free(new_index);
}

/* ---- public ---- */

void growth_judge(struct growth *g, const struct curves *c, const struct growth_natives *natives, uint64_t warmup)
{
	const struct defs *d = &c->trace->defs;

	*g = (struct growth){ .curves = c };
	normalise(g, d, natives);
	g->group_of = mem_alloc((c->curves.n + 1) * sizeof *g->group_of);
	memset(g->group_of, 0xff, (c->curves.n + 1) * sizeof *g->group_of);
	for (size_t i = 0; i < c->curves.n; i++) {
		g->live_bytes += c->curves.at[i].bytes;
		g->live_blocks += c->curves.at[i].blocks;
	}
	growth_cut_windows(g, warmup);
	g->own_work = !g->marks && stays(c);
	g->alone = is_alone(c->trace);
	g->on_demand = g->n_windows && rests_often(g);
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		judge_level(g, &levels[i]);
	sort_groups(g);
}

void growth_total(const struct growth *g, uint64_t *ret_warm, uint64_t *ret_last)
{
	const struct curves *c = g->curves;
	const uint32_t at[] = { g->borders[g->n_warm], g->borders[g->n_windows] };
	uint64_t bytes[2] = { 0 }, blocks[2] = { 0 };

	for (size_t i = 0; g->n_windows && i < c->curves.n; i++)
		curves_sum(c, &c->curves.at[i], at, 2, bytes, blocks);
	*ret_warm = bytes[0];
	*ret_last = bytes[1];
}

bool growth_is_steady(const struct growth_evidence *e) { return doubt_of(e) == GROWTH_NO_DOUBT; }

void growth_withdraw(const struct growth *g, struct growth_group *group, enum growth_doubt doubt)
{
	if (group->verdict != GROWTH_FOUND)
		return;
	group->doubt = doubt;
	group->verdict = is_worth_a_line(g, group->evidence.grown_bytes) ? GROWTH_UNDECIDED : GROWTH_HELD;
}

void growth_weigh(const struct growth *g, struct growth_group *group)
{
	const struct growth_evidence *e = &group->evidence;
	int64_t share = (int64_t)g->live_bytes / (e->grown_blocks < SOME_BLOCKS ? SOME_SHARE : LITTLE_SHARE);
	bool many = e->grown_blocks >= LITTLE_BLOCKS || e->grown_bytes >= LARGE_BYTES || e->even_bytes;

	if (group->verdict != GROWTH_FOUND || (many && e->grown_bytes >= LITTLE_BYTES && e->grown_bytes >= share))
		return;
	growth_withdraw(g, group, GROWTH_LITTLE);
}

void growth_merge(const struct growth *g, struct growth_group *group, const struct growth_group *more)
{
	group->bytes += more->bytes;
	group->blocks += more->blocks;
	group->given_bytes += more->given_bytes;
	group->given_blocks += more->given_blocks;
	group->births += more->births;
	group->n_stacks += more->n_stacks;
	group->layers |= more->layers;
	group->first_ns = more->first_ns < group->first_ns ? more->first_ns : group->first_ns;
	group->last_ns = more->last_ns > group->last_ns ? more->last_ns : group->last_ns;
	group->evidence.late_deaths += more->evidence.late_deaths;
	for (uint32_t w = 0; w <= g->n_windows; w++) {
		group->curve_bytes[w] += more->curve_bytes[w];
		group->curve_blocks[w] += more->curve_blocks[w];
	}
	if (g->n_windows)
		measure(g, group);
}

void growth_free(struct growth *g)
{
	array_free(&g->groups);
	free(g->group_of);
	free(g->fingerprints);
	free(g->functions);
	free(g->stacks);
	*g = (struct growth){ 0 };
}
