/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_fragments: resident memory that stays though little is alive, because a few blocks are spread over it
 *
 * Theory. memory/fragments.h finds what blocks keep from going back. It is a finding when that is much, by itself and
 * of what is resident, when the blocks take little of it, and when most of the allocator's memory is free. And it must
 * stay: memory that the program filled a moment ago, or fills now and then (each request takes it again), is used, not
 * lost. So the last time when the blocks could not have done with less is looked for (memory/usage.h), and a good part
 * of the run must lie behind it. A run that ends just after its one peak shows that only when the case is as plain as
 * can be; else it is undecided. What grows has its own finding, and that its blocks pin memory is part of it.
 *
 * What nobody's blocks keep, but the allocator by its own rules (the top of malloc's heap below its threshold, or below
 * what a thread's cache of freed blocks holds; slices of mimalloc), is no finding: it is named with what ends it.
 *
 * It claims no blocks: they are alive, and what is counted here is free.
 */
#include "analyzer/findings/kinds/finding_kinds.h"

#include <stdlib.h>
#include <string.h>

#define LEAST          (UINT64_C(10) << 20) /* bytes that are kept beyond the blocks, where they are ... */
#define LEAST_PERCENT  33                   /* ... of the resident memory, without the tracer's */
#define MUCH           (UINT64_C(24) << 20) /* or so much, where it is ... */
#define MUCH_PERCENT   15                   /* ... of it */
#define SPARSE         3                    /* so many times what is alive in it */
#define PLAIN          4                    /* ... and of all that is alive, where the peak was just now */
#define QUIET_PERCENT  15                   /* of the run must lie behind the last use */
#define ONE_PEAK       3                    /* crossings: rise and fall */
#define PLAIN_PARTS    3                    /* lines that made it, at most */
#define MADE_ONCE      2                    /* all that was ever made is at most so many times the peak */
#define GROWTH_MATTERS 10 /* growth of a tenth of it, from the same line, is what there is to be mended */
#define TRIM_WORTH     2  /* more than one half would go back by malloc_trim() */

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static uint64_t excess(const struct fragments_pin *pin) { return less(pin->pinned_bytes, pin->held_bytes); }

static const struct fragments_layer *layer_of(const struct fragments *f, const struct fragments_pin *pin)
{
	return &f->layers[pin->kind];
}

/* Whether it is much, kept by little, in memory that is mostly free. */
static bool is_much(const struct fragments *f, const struct fragments_pin *pin)
{
	const struct fragments_layer *layer = layer_of(f, pin);
	uint64_t kept = excess(pin), rss = less(f->rss_bytes, f->tracer_bytes);

	if (kept < LEAST || kept * 100 < rss * (kept < MUCH ? LEAST_PERCENT : MUCH_PERCENT))
		return false;
	return kept >= pin->held_bytes * SPARSE && layer->resident_bytes >= layer->live_bytes * 2;
}

/* What is mapped need not be resident: the kernel's sum must bear it out. */
static bool is_resident(const struct fragments *f, const struct fragments_pin *pin)
{
	return f->exact || f->rss_bytes >= layer_of(f, pin)->resident_bytes;
}

static bool is_users(const struct report_trace *t, node_id node)
{
	struct place_table *places = (struct place_table *)&t->places;

	return place_find(places, place_blame(places, node))->origin == ORIGIN_USER;
}

/* When so much was last in use; 0: never. */
static uint64_t last_use(const struct fragments *f, const struct fragments_pin *pin)
{
	return usage_last_above(&f->usage, pin->kind, f->usage.rows[pin->kind].end + excess(pin) / 2);
}

/* Whether so much was in use once, and was made once: else the memory was used again. */
static bool is_one_peak(const struct fragments *f, const struct fragments_pin *pin)
{
	const struct usage_row *row = &f->usage.rows[pin->kind];

	return row->made <= row->peak * MADE_ONCE &&
	       usage_crossings(&f->usage, pin->kind, row->end + excess(pin) / 2) <= ONE_PEAK;
}

static enum growth_verdict judge(const struct report_trace *t, const struct fragments_pin *pin)
{
	const struct fragments *f = &t->fragments;
	uint64_t last = last_use(f, pin), end = f->usage.end_ns, live = 0;

	if (!is_much(f, pin) || !is_resident(f, pin))
		return GROWTH_HELD;
	if (f->earlier_ns && last > f->earlier_ns) /* it was taken again after that */
		return GROWTH_HELD;
	if ((end - last) * 100 >= end * QUIET_PERCENT)
		return GROWTH_FOUND;
	if (!is_one_peak(f, pin))
		return GROWTH_HELD;
	for (int k = 0; k < USAGE_KINDS; k++)
		live += f->usage.rows[k].end;
	return excess(pin) >= live * PLAIN && pin->n_parts <= PLAIN_PARTS && is_users(t, pin->parts[0].node)
		       ? GROWTH_FOUND
		       : GROWTH_UNDECIDED;
}

static bool same_line(struct report_trace *t, node_id a, node_id b)
{
	const struct place *x = place_find(&t->places, place_blame(&t->places, a));
	const struct place *y = place_find(&t->places, place_blame(&t->places, b));

	return x->at.line == y->at.line && !strcmp(x->file, y->file) && !strcmp(x->function, y->function);
}

/* Whether its blocks are what grows, and that is what there is to be mended. If it is not, they have no finding beside
 * this one. */
static bool is_growth(struct report_trace *t, const struct fragments_pin *pin)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < t->growth.groups.n; i++) {
		const struct growth_group *g = &t->growth.groups.at[i];

		if (g->verdict == GROWTH_FOUND && same_line(t, g->node, pin->parts[0].node))
			bytes += g->bytes;
	}
	return bytes * GROWTH_MATTERS >= excess(pin);
}

static void withdraw_growth(struct report_trace *t, const struct fragments_pin *pin)
{
	for (size_t i = 0; i < t->growth.groups.n; i++) {
		struct growth_group *g = &t->growth.groups.at[i];

		for (unsigned k = 0; k < pin->n_parts && g->verdict != GROWTH_HELD; k++)
			if (g->bytes * GROWTH_MATTERS < excess(pin) && same_line(t, g->node, pin->parts[k].node)) {
				g->verdict = GROWTH_HELD;
				g->doubt = GROWTH_NO_DOUBT;
			}
	}
}

static uint16_t layers_of(const struct fragments_pin *pin)
{
	static const uint16_t layers[USAGE_KINDS] = {
		[USAGE_ARENA] = 1 << PT_LAYER_ARENA,
		[USAGE_MIMALLOC] = 1 << PT_LAYER_OBJECT,
		[USAGE_HEAP] = 1 << PT_LAYER_MALLOC,
	};

	return layers[pin->kind];
}

static void make(struct report_trace *t, const struct fragments_pin *pin, enum growth_verdict verdict,
		 struct finding *ret)
{
	*ret = (struct finding){
		.trace = t,
		.sum = { .verdict = verdict,
			 .node = pin->parts[0].node,
			 .n_stacks = 1,
			 .bytes = excess(pin),
			 .blocks = pin->blocks,
			 .first_ns = t->fragments.usage.rows[pin->kind].peak_ns,
			 .last_ns = last_use(&t->fragments, pin),
			 .layers = layers_of(pin) },
		.blame = place_blame(&t->places, pin->parts[0].node),
		.pin = pin,
	};
	for (unsigned i = 0; i < pin->n_parts; i++) {
		const struct fragments_part *part = &pin->parts[i];
		const struct amount live = { part->bytes, part->blocks };

		finding_add_part(&ret->own_parts, &ret->n_own_parts,
				 place_find(&t->places, place_blame(&t->places, part->node)), part->node, &live);
	}
}

void finding_fragments(struct report_trace *t, struct finding *ret, size_t *n)
{
	if (!(t->has & REPORT_FRAGMENTS) || !t->spans.is_whole) /* what looks free may be blocks that nobody saw */
		return;
	for (size_t i = 0; i < t->fragments.pins.n; i++) {
		const struct fragments_pin *pin = &t->fragments.pins.at[i];
		enum growth_verdict verdict = judge(t, pin);

		if (verdict == GROWTH_HELD || is_growth(t, pin))
			continue;
		make(t, pin, verdict, &ret[(*n)++]);
		withdraw_growth(t, pin);
	}
}

/* ---- what allocators keep by themselves ---- */

/* Bytes of it, where it is much and has been free for long; 0 else. */
static uint64_t retained(const struct fragments *f, enum usage_kind kind)
{
	const struct fragments_layer *layer = &f->layers[kind];
	uint64_t last, end = f->usage.end_ns;

	if (!f->exact || layer->retained_bytes < MUCH || layer->retained_bytes < layer->live_bytes)
		return 0;
	last = usage_last_above(&f->usage, kind, f->usage.rows[kind].end + layer->retained_bytes / 2);
	return (end - last) * 100 >= end * QUIET_PERCENT ? layer->retained_bytes : 0;
}

static const struct keeper {
	const char *name, *what, *remedy;
} keepers[USAGE_KINDS] = {
	[USAGE_ARENA] = { "arena", "in arenas of Python's in which nothing is alive",
			  "Python gives them back when it is done with them" },
	[USAGE_MIMALLOC] = { "mimalloc", "of Python's mimalloc, in slices in which nothing is alive",
			     "it gives them back when it is asked for memory after a while" },
	[USAGE_HEAP] = { "heap", "of malloc's heaps, above all that is alive",
			 "malloc_trim(0) gives it back; MALLOC_TRIM_THRESHOLD_ and MALLOC_ARENA_MAX bound it" },
};

void finding_print_retained(struct report *r)
{
	char text[400];

	for (size_t i = 0; i < r->n_traces; i++) {
		const struct report_trace *t = r->traces[i];

		for (int k = 0; k < USAGE_KINDS; k++) {
			uint64_t bytes = retained(&t->fragments, (enum usage_kind)k);

			if (!bytes)
				continue;
			snprintf(text, sizeof text, "Free, and kept by the allocator itself%s%s: %s %s. No leak: %s.",
				 r->n_traces > 1 ? " in pid " : "",
				 r->n_traces > 1 ? format_count(t->trace.front.pid).text : "", format_bytes(bytes).text,
				 keepers[k].what, keepers[k].remedy);
			fputc('\n', r->out.file);
			format_wrapped(r->out.file, text, 0, 0, r->out.width);
		}
	}
}

json_t *finding_retained_json(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_traces; i++)
		for (int k = 0; k < USAGE_KINDS; k++) {
			uint64_t bytes = retained(&r->traces[i]->fragments, (enum usage_kind)k);
			json_t *o = bytes ? json_object() : NULL;

			if (!o)
				continue;
			json_put(o, "pid", json_integer(r->traces[i]->trace.front.pid));
			json_put(o, "kind", json_text(keepers[k].name));
			json_put(o, "bytes", json_bytes(bytes));
			json_put(o, "remedy", json_text(keepers[k].remedy));
			json_add(list, o);
		}
	return list;
}

/* ---- for people ---- */

static char *units_text(const struct fragments_pin *pin, char *buf, size_t cap)
{
	static const char *const what[USAGE_KINDS] = { [USAGE_ARENA] = "of arenas",
						       [USAGE_MIMALLOC] = "of Python's mimalloc",
						       [USAGE_HEAP] = "of malloc's heaps" };

	snprintf(buf, cap, "%s %s", format_bytes(excess(pin)).text, what[pin->kind]);
	return buf;
}

static size_t put_time(const struct finding *f, char *buf, size_t cap)
{
	uint64_t last = f->sum.last_ns;

	if (!last)
		return (size_t)snprintf(buf, cap, ", and never was so much in use at once");
	return (size_t)snprintf(buf, cap, ", unused since %s of %s", format_seconds((double)last / 1e9).text,
				format_seconds((double)f->trace->fragments.usage.end_ns / 1e9).text);
}

char *finding_fragments_why(const struct finding *f, char *buf, size_t cap)
{
	const struct fragments *all = &f->trace->fragments;
	uint64_t live = 0;
	char units[80];
	size_t used;

	for (int k = 0; k < USAGE_KINDS; k++)
		live += all->usage.rows[k].end;
	used = (size_t)snprintf(buf, cap, "%s %s, of which %s are alive; %s of %s made %s keep %s from going back",
				all->earlier_ns ? "Shortly before the program ended RSS is" : "RSS is",
				format_bytes(all->rss_bytes).text, format_bytes(live).text,
				format_plural(f->pin->blocks, "block", "blocks").text, format_bytes(f->pin->bytes).text,
				f->pin->n_parts > 1 ? "on these lines" : "here",
				units_text(f->pin, units, sizeof units));
	if (used < cap)
		used += put_time(f, buf + used, cap - used);
	if (f->sum.verdict == GROWTH_UNDECIDED && used < cap)
		used += (size_t)snprintf(buf + used, cap - used, ": the run ends too soon to show that it stays");
	else if (f->pin->trim_bytes * TRIM_WORTH >= excess(f->pin) && used < cap)
		used += (size_t)snprintf(buf + used, cap - used, "; malloc_trim(0) would give back %s of it at once",
					 format_bytes(f->pin->trim_bytes).text);
	return buf;
}

const char *finding_fragments_decides(void) { return "trace a run that goes on working for some time after its peak"; }

json_t *finding_fragments_json(const struct finding *f)
{
	const struct fragments *all = &f->trace->fragments;
	const struct fragments_pin *pin = f->pin;
	const struct fragments_layer *layer = layer_of(all, pin);
	json_t *o = json_object();

	json_put(o, "kind", json_text(keepers[pin->kind].name));
	json_put(o, "rss_bytes", json_bytes(all->rss_bytes));
	json_put(o, "exact", json_boolean(all->exact));
	json_put(o, "mapped_bytes", json_bytes(layer->mapped_bytes));
	json_put(o, "resident_bytes", json_bytes(layer->resident_bytes));
	json_put(o, "live_bytes", json_bytes(layer->live_bytes));
	json_put(o, "free_bytes", json_bytes(less(layer->resident_bytes, layer->live_bytes)));
	json_put(o, "retained_bytes", json_bytes(layer->retained_bytes));
	json_put(o, "pinned_bytes", json_bytes(pin->pinned_bytes));
	json_put(o, "held_bytes", json_bytes(pin->held_bytes));
	json_put(o, "trim_bytes", json_bytes(pin->trim_bytes));
	json_put(o, "units", json_bytes(pin->units));
	json_put(o, "share", json_number(all->rss_bytes ? (double)excess(pin) / (double)all->rss_bytes : 0));
	json_put(o, "peak_bytes", json_bytes(all->usage.rows[pin->kind].peak));
	json_put(o, "peak_s", json_seconds(all->usage.rows[pin->kind].peak_ns));
	json_put(o, "last_used_s", f->sum.last_ns ? json_seconds(f->sum.last_ns) : json_null());
	json_put(o, "end_s", json_seconds(all->usage.end_ns));
	return o;
}
