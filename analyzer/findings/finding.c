/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/findings/finding.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is known of one ---- */

static const char *const verdict_names[] = {
	[GROWTH_FOUND] = "growth",
	[GROWTH_UNDECIDED] = "undecided",
	[GROWTH_HELD] = "held",
};

const char *finding_verdict(const struct finding *f)
{
	if (f->cycle)
		return f->reason == REMAINS_UNCOLLECTABLE ? "cycle-uncollectable" : "cycle-garbage";
	if (f->pin && f->sum.verdict == GROWTH_FOUND)
		return "fragmentation";
	if (f->lost.kind && f->sum.verdict == GROWTH_FOUND)
		return "reference-leak";
	if (f->native.is && f->sum.verdict == GROWTH_FOUND)
		return "native-unreachable";
	return verdict_names[f->sum.verdict];
}

const struct place *finding_place(const struct finding *f) { return place_find(&f->trace->places, f->blame); }

const struct place *finding_site(const struct finding *f)
{
	return place_find(&f->trace->places, place_site(&f->trace->places, f->sum.node));
}

const struct place *finding_maker(const struct finding *f)
{
	struct place_table *places = &f->trace->places;

	return place_find(places, finding_is_growth(f) ? place_blame(places, f->sum.node) : f->blame);
}

const struct place *finding_adder(const struct finding *f)
{
	return f->added > NODE_UNKNOWN ? place_find(&f->trace->places, f->added) : NULL;
}

double finding_rate(const struct finding *f)
{
	const struct growth_evidence *e = &f->sum.evidence;

	if (f->sum.verdict == GROWTH_HELD || e->end_ns <= e->warm_ns || e->grown_bytes <= 0)
		return 0;
	return (double)e->grown_bytes * 1e9 / (double)(e->end_ns - e->warm_ns);
}

bool finding_is_in(const struct finding *f, uint32_t pid)
{
	for (size_t i = 0; i < f->n_pids; i++) {
		if (f->pids[i] == pid)
			return true;
	}
	return false;
}

/* Its type: of a cycle's first member that has a line; of growth the one of most bytes of the largest stack. */
bool finding_type(const struct finding *f, char *buf, size_t cap)
{
	const char *type = f->trace->has & REPORT_TYPES ? types_main(&f->trace->types, f->sum.node) : "";
	const struct cycles *c = f->cycle ? &f->trace->remains->cycles : NULL;

	if (f->lost.type) {
		snprintf(buf, cap, "%s", strings_text(&f->trace->remains->surplus.strings, f->lost.type));
		return true;
	}
	for (uint32_t i = 0; c && i < f->cycle->row->n_members; i++) {
		const struct cycle_member *m = &c->members.at[f->cycle->row->first_member + i];

		if (m->node == f->sum.node && !m->is_dict) {
			snprintf(buf, cap, "%s", strings_text(&c->strings, m->type));
			return true;
		}
	}
	snprintf(buf, cap, "%s", finding_is_own(f) ? "" : type);
	return *buf;
}

char *finding_amount(const struct finding *f, char *buf, size_t cap)
{
	if (f->lost.kind == LOST_SHARED)
		snprintf(buf, cap, "%s", format_plural(f->lost.references, "reference", "references").text);
	else
		snprintf(buf, cap, "%s", format_bytes(f->all.bytes).text);
	return buf;
}

char *finding_extent(const struct finding *f, char *buf, size_t cap)
{
	struct format_text blocks = format_plural(f->all.blocks, "block", "blocks");

	if (f->lost.kind == LOST_SHARED)
		snprintf(buf, cap, "on %s of type %s", format_plural(f->lost.objects, "object", "objects").text,
			 strings_text(&f->trace->remains->surplus.strings, f->lost.type));
	else
		snprintf(buf, cap, "%s %s", f->pin ? "kept by" : "in", blocks.text);
	return buf;
}

/* ---- its stacks and lines ---- */

uint32_t *finding_curves(const struct finding *f, size_t *ret_n)
{
	const struct report_trace *t = f->trace;
	uint32_t *curves = mem_alloc((t->curves.curves.n + 1) * sizeof *curves);
	bool *mine = mem_zero(t->growth.groups.n + 1, sizeof *mine);

	*ret_n = 0;
	for (size_t i = 0; i < f->n_groups; i++)
		mine[f->groups[i]] = true;
	for (uint32_t i = 0; i < t->curves.curves.n; i++) {
		uint32_t group = t->growth.group_of[i];

		if (group != MAP_NONE && mine[group])
			curves[(*ret_n)++] = i;
	}
	free(mine);
	return curves;
}

static int compare_parts(const void *left, const void *right)
{
	const struct finding_part *a = left, *b = right;

	if (a->live.bytes != b->live.bytes)
		return a->live.bytes > b->live.bytes ? -1 : 1;
	return a->place->at.line < b->place->at.line ? -1 : a->place->at.line > b->place->at.line;
}

static bool same_line(const struct place *a, const struct place *b)
{
	return a->at.line == b->at.line && !strcmp(a->file, b->file) && !strcmp(a->function, b->function);
}

void finding_add_part(struct finding_part **parts, size_t *n, const struct place *place, node_id node,
		      const struct amount *live)
{
	size_t i = 0;

	while (i < *n && !same_line((*parts)[i].place, place))
		i++;
	if (i == *n) {
		*parts = mem_resize(*parts, *n + 1, sizeof **parts);
		(*parts)[(*n)++] = (struct finding_part){ .place = place };
	}
	if (live->bytes > (*parts)[i].node_bytes) {
		(*parts)[i].node = node;
		(*parts)[i].node_bytes = live->bytes;
	}
	amount_add(&(*parts)[i].live, live);
}

/* What of a curve is no garbage that another finding is about. */
static struct amount unclaimed(const struct report_trace *t, size_t curve)
{
	const struct amount *claimed = t->remains && t->remains->claimed ? &t->remains->claimed[curve] : NULL;
	struct amount live;

	growth_alive(&t->growth, curve, &live.bytes, &live.blocks);
	if (!claimed)
		return live;
	return (struct amount){ live.bytes - claimed->bytes, live.blocks - claimed->blocks };
}

static struct finding_part *copy_of(const struct finding_part *parts, size_t n)
{
	struct finding_part *copy = mem_alloc((n + 1) * sizeof *copy);

	memcpy(copy, parts, n * sizeof *copy);
	return copy;
}

static struct finding_part *parts_of_groups(const struct finding *f, size_t *n)
{
	struct report_trace *t = f->trace;
	struct finding_part *parts = NULL;
	size_t n_curves;
	uint32_t *curves = finding_curves(f, &n_curves);

	for (size_t i = 0; i < n_curves; i++) {
		node_id node = t->curves.curves.at[curves[i]].node;
		struct amount live = unclaimed(t, curves[i]);

		if (live.bytes)
			finding_add_part(&parts, n, place_find(&t->places, place_blame(&t->places, node)), node, &live);
	}
	free(curves);
	return parts;
}

struct finding_part *finding_parts(const struct finding *f, size_t *ret_n)
{
	struct finding_part *parts;

	*ret_n = f->n_own_parts;
	parts = f->own_parts ? copy_of(f->own_parts, f->n_own_parts) : parts_of_groups(f, ret_n);
	if (*ret_n)
		qsort(parts, *ret_n, sizeof *parts, compare_parts);
	return parts;
}

/* ---- what it owns ---- */

void finding_free_parts(struct finding *f)
{
	free(f->groups);
	free(f->pids);
	free(f->own_parts);
	if (f->has_holder)
		holder_free(&f->holder);
}

void finding_take_groups(struct finding *leader, const struct finding *f)
{
	leader->groups = mem_resize(leader->groups, leader->n_groups + f->n_groups, sizeof *leader->groups);
	memcpy(leader->groups + leader->n_groups, f->groups, f->n_groups * sizeof *f->groups);
	leader->n_groups += f->n_groups;
}
