/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth_closing: what was given back all at once when the program ended
 *
 * A service whose state hangs on a variable of main(), on a `with` block around all, or on its threads, has nothing
 * left at its end, however much it hoarded. So what grew to the last of the work, and fell to (nearly) nothing after
 * it, is judged as it was before.
 *
 * But that is what any program does that builds something in main(), uses it and ends. They are told apart so:
 *
 *   A builder gathers. The function that ends has made the table of what it gathers in its own frame: results.append()
 *                   in main() itself, in its loop, its comprehension, or in the list() around a pool's map(). State of
 *                   a service is added by a function that it calls for each request, to a container whose table grows
 *                   with them.
 *   A builder uses  what it has built: it goes on when nothing more is added. Who serves has nothing more to do when
 *                   the last request is done. (Of 12 leaking programs that compute, written by somebody who did not
 *                   know this rule, the rest was 0.4 to 4.5 % of the time in which it grew; of four healthy ones that
 *                   build in functions 2, 26, 57 and 100 %.) Who waits in its work for what comes next, again and
 *                   again (growth.c: on_demand), may wait for long before it ends.
 *
 * What may be built is undecided. What a collection gave back was garbage.
 */
#include "analyzer/base/mem.h"
#include "analyzer/growth/growth.h"

#include <string.h>

#define LEFT_TIMES    10   /* it fell to less than this part of what it was */
#define LEAST         4096 /* bytes that are worth a look */
#define WAITING_MOST  2000 /* blocks of one size on a free list */
#define TABLE_EACH    128  /* bytes of a block, at least, that may be a table of some entries ... */
#define TABLE_ENTRIES 8    /* ... for each of which there is a block, at least */
#define TABLE_STEP    4    /* a table is made so many times as large at once, at most */
#define USED_PERCENT  10   /* of the time in which it grew */
#define USED_LEAST_NS UINT64_C(500000000)
#define TABLE_GROW    3 /* it was made larger: it has so many halves of what it had after the warm-up */

void growth_add_closing(const struct growth *g, struct growth_group *group, const struct curve *curve)
{
	struct growth_sum *sum = &group->closing;
	uint64_t bytes = 0, blocks = 0, first_ns, last_ns;

	curves_sum(g->curves, curve, &g->closing, 1, &bytes, &blocks);
	if (!bytes)
		return;
	curves_times(g->curves, curve, g->closing, &first_ns, &last_ns);
	sum->bytes += bytes;
	sum->blocks += blocks;
	sum->n_stacks += blocks > 0;
	sum->layers |= (uint16_t)(1u << curve->layer);
	if (!sum->first_ns || first_ns < sum->first_ns)
		sum->first_ns = first_ns;
	if (last_ns > sum->last_ns)
		sum->last_ns = last_ns;
	if (bytes > sum->node_bytes) {
		sum->node = curve->node;
		sum->node_bytes = bytes;
	}
}

static uint64_t collected_since(const struct growth *g)
{
	uint64_t n = 0;

	for (size_t i = g->closing + 1; i < g->curves->slices.n; i++)
		n += g->curves->slices.at[i].collected;
	return n;
}

/* Whether (nearly) nothing is left. */
static bool fell(uint64_t from, uint64_t to) { return from >= LEAST && to * LEFT_TIMES <= from; }

/* Whether what is left may be dead objects on free lists: tuples have the longest ones. */
static bool may_wait(const struct growth_sum *was, const struct growth_group *now)
{
	return was->bytes >= LEAST && now->blocks <= WAITING_MOST && now->bytes * 2 <= was->bytes &&
	       now->blocks * 2 <= was->blocks;
}

bool growth_reopen(const struct growth *g, struct growth_group *group)
{
	const struct growth_sum *was = &group->closing;
	uint64_t late = group->evidence.late_deaths;

	if ((!fell(was->bytes, group->bytes) && !may_wait(was, group)) ||
	    collected_since(g) * LEFT_TIMES >= was->blocks)
		return false;
	if (g->borders[g->n_windows] > g->closing) {
		group->curve_bytes[g->n_windows] = was->bytes;
		group->curve_blocks[g->n_windows] = was->blocks;
	}
	group->given_bytes = was->bytes - group->bytes;
	group->given_blocks = was->blocks - group->blocks;
	group->evidence.late_deaths = late > group->given_blocks ? late - group->given_blocks : 0;
	group->bytes = was->bytes;
	group->blocks = was->blocks;
	group->n_stacks = was->n_stacks;
	group->layers = was->layers;
	group->node = was->node;
	group->node_bytes = was->node_bytes;
	group->first_ns = was->first_ns;
	group->last_ns = was->last_ns;
	return true;
}

void growth_close(struct growth_group *group)
{
	group->bytes -= group->given_bytes;
	group->blocks -= group->given_blocks;
	group->given_bytes = group->given_blocks = 0;
}

void growth_alive(const struct growth *g, size_t curve, uint64_t *ret_bytes, uint64_t *ret_blocks)
{
	const struct curve *c = &g->curves->curves.at[curve];
	uint32_t group = g->group_of[curve];

	*ret_bytes = c->bytes;
	*ret_blocks = c->blocks;
	if (group == MAP_NONE || !g->groups.at[group].given_bytes)
		return;
	*ret_bytes = *ret_blocks = 0;
	curves_sum(g->curves, c, &g->closing, 1, ret_bytes, ret_blocks);
}

/* ---- whether a function gathered it ---- */

/* The innermost frame of Python from here on outwards; NODE_UNKNOWN: there is none. */
static node_id python_at(const struct defs *d, node_id at)
{
	while (at > NODE_UNKNOWN && defs_frame(d, at)->kind != NODE_PYTHON)
		at = defs_frame(d, at)->parent;
	return at > NODE_UNKNOWN ? at : NODE_UNKNOWN;
}

/* The same without comprehensions, which had frames of their own before 3.12. */
static node_id function_at(const struct defs *d, node_id at)
{
	for (at = python_at(d, at); at > NODE_UNKNOWN; at = python_at(d, defs_frame(d, at)->parent)) {
		const char *name = strings_text(&d->strings, d->codes.at[defs_frame(d, at)->code].name);
		size_t len = strlen(name);

		if (!len || name[len - 1] != '>' || !strcmp(name, "<module>") || strstr(name, "<lambda>"))
			break;
	}
	return at;
}

static bool same_code(const struct defs *d, node_id a, node_id b)
{
	return a > NODE_UNKNOWN && b > NODE_UNKNOWN && defs_frame(d, a)->code == defs_frame(d, b)->code;
}

static node_id caller_of(const struct defs *d, node_id frame) { return function_at(d, defs_frame(d, frame)->parent); }

/* Whether a function ended when a block was given back there: by itself, before it returned, or when its caller was
 * still where it had called it. */
static bool ended_at(const struct defs *d, node_id function, node_id freed_by)
{
	node_id by = function_at(d, freed_by), caller = caller_of(d, function);

	return same_code(d, function, by) ||
	       (same_code(d, caller, by) && defs_frame(d, caller)->offset == defs_frame(d, by)->offset);
}

/* Whether a function is among those that lead to a node. */
static bool leads_to(const struct defs *d, node_id function, node_id node)
{
	if (function <= NODE_UNKNOWN)
		return false;
	for (node_id at = function_at(d, node); at > NODE_UNKNOWN; at = caller_of(d, at))
		if (same_code(d, at, function))
			return true;
	return false;
}

/* What of a group there was when a curve grew last, at the most. */
static uint64_t blocks_when_last(const struct growth *g, const struct growth_group *group, const struct curve *c)
{
	uint64_t first_ns, last_ns;
	uint32_t w = 0;

	curves_times(g->curves, c, g->closing, &first_ns, &last_ns);
	while (w < g->n_windows && g->curves->slices.at[g->borders[w]].end_ns < last_ns)
		w++;
	return group->curve_blocks[w];
}

/* Of a curve that is of tables of what a group has, which were made larger and larger with it and then given back: what
 * it was; else 0. A table is made anew for several entries at a time; a buffer is made for each. */
static uint64_t table_bytes(const struct growth *g, const struct growth_group *group, const struct curve *c)
{
	const uint32_t at[] = { g->borders[g->n_warm], g->closing };
	uint64_t bytes[2] = { 0 }, blocks[2] = { 0 };

	if (c->births > group->blocks)
		return 0;
	curves_sum(g->curves, c, at, 2, bytes, blocks);
	if (!fell(bytes[1], c->bytes) || bytes[1] < blocks[1] * TABLE_EACH ||
	    blocks[1] * TABLE_ENTRIES > group->blocks || bytes[1] * 2 < bytes[0] * TABLE_GROW)
		return 0;
	return blocks_when_last(g, group, c) * TABLE_STEP >= group->blocks ? bytes[1] : 0;
}

/* Whether a function, or who called it, is among those that lead to a node. */
static bool is_beside(const struct defs *d, node_id function, node_id node)
{
	return leads_to(d, function, node) || leads_to(d, caller_of(d, function), node);
}

/* The largest table that became larger and larger beside a group, and was given back as the program ended; NODE_UNKNOWN
 * when there is none, or a function gathered it. */
static node_id find_table(const struct growth *g, const struct growth_group *group)
{
	const struct defs *d = &g->curves->trace->defs;
	node_id best = NODE_UNKNOWN, maker = function_at(d, group->node);
	uint64_t most = 0;

	for (size_t i = 0; i < g->curves->curves.n; i++) {
		const struct curve *c = &g->curves->curves.at[i];
		node_id function;
		uint64_t bytes;

		if (c->node <= NODE_UNKNOWN || !(bytes = table_bytes(g, group, c)))
			continue;
		function = function_at(d, c->node);
		if (function > NODE_UNKNOWN && c->freed_by > NODE_UNKNOWN && ended_at(d, function, c->freed_by) &&
		    leads_to(d, function, group->node))
			return NODE_UNKNOWN;
		if (bytes > most && (is_beside(d, function, group->node) || is_beside(d, maker, c->node))) {
			most = bytes;
			best = c->node;
		}
	}
	return best;
}

/* Whether the program may have gone on with all that it had, for a part of the time in which it grew. On a busy machine
 * that is not known of a short time. */
static bool was_used(const struct growth *g, const struct growth_group *group)
{
	uint64_t from_ns = group->first_ns, to_ns = group->last_ns, end_ns = g->curves->end_ns;

	return to_ns < from_ns + USED_LEAST_NS ||
	       (end_ns > to_ns && (end_ns - to_ns) * 100 > (to_ns - from_ns) * USED_PERCENT);
}

bool growth_is_built(const struct growth *g, struct growth_group *group)
{
	if (!group->given_bytes)
		return false;
	group->table = g->on_demand || !was_used(g, group) ? find_table(g, group) : NODE_UNKNOWN;
	return group->table <= NODE_UNKNOWN;
}
