/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_doubts: growth that was found in groups of blocks, doubted as a whole
 *
 * Diluted: a finding takes in what the same function made without evidence of its own, which comes and goes. When that
 * is nearly all of it, the steady part is by chance (mypy: 139 KB of nodes of 27 MB).
 *
 * Foreign: where no line of the user's is to blame, a tool does its work: a test runner keeps a report of each test
 * (327 KiB after 384 tests). Libraries leak, too; then it comes to more, in a run that is worth a gate.
 *
 * One call: what the standard library makes for a line at the top of a script is often one call that does all the work
 * (unittest's run() keeps the duration of each test, from 3.12 on).
 *
 * Bounded: the holder throws out old entries when it is full: deque(maxlen), lru_cache(maxsize), caches of CPython.
 *
 * SQLite keeps pages of each open database in memory, up to a bound (PRAGMA cache_size, 2,000 KiB unless told), and
 * sqlite3.Connection its last 100 (128 from 3.10 on) compiled statements. A database that is read or written in new
 * places all the time fills that for long. More than that, or ever more connections, is no such cache.
 */
#include "analyzer/findings/list/finding_list_parts.h"

#include <stdlib.h>
#include <string.h>

#define STEADY_LEAST  5                    /* percent of a finding that must be its steady part */
#define FOREIGN_LEAST (INT64_C(1) << 20)   /* growth that no line of the user's is to blame for */
#define CALL_LEAST    (INT64_C(256) << 10) /* growth of the standard library's for a line at the top of a script */

#define DATABASE_BYTES (UINT64_C(2560) << 10) /* pages and statements of one connection, at most */
#define DATABASES_MOST 32                     /* more connections than this are no pool of them */

/* CPython's own caches that are dicts with a bound in their code, and the greatest bound of all versions. */
static const struct {
	const char *expression;
	int64_t most;
} caches[] = {
	{ "re._cache", 512 },  /* re/__init__.py, _MAXCACHE */
	{ "re._cache2", 256 }, /* the same, _MAXCACHE2 */
	{ "urllib.parse._parse_cache", 20 },
	{ "_strptime._regex_cache", 5 },
};

static bool is_found(const struct finding *f) { return f->sum.verdict == GROWTH_FOUND && finding_is_growth(f); }

void finding_doubts_note(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->at[i].own_bytes = l->at[i].sum.bytes;
}

static void doubt_diluted(struct finding *f)
{
	if (f->own_bytes * 100 < f->sum.bytes * STEADY_LEAST)
		growth_withdraw(&f->trace->growth, &f->sum, GROWTH_GAPS);
}

static bool is_top(const struct place *place) { return !strcmp(place->function, "<module>"); }

static void doubt_foreign(struct finding *f)
{
	const struct place *place = finding_place(f),
			   *site = place_find(&f->trace->places, place_site(&f->trace->places, f->sum.node));
	int64_t grown = f->sum.evidence.grown_bytes;
	bool foreign = place->origin != ORIGIN_USER && !place->module;
	bool call = place->origin == ORIGIN_USER && is_top(place) && site->origin == ORIGIN_STDLIB;

	if ((foreign && grown < FOREIGN_LEAST) || (call && grown < CALL_LEAST))
		growth_withdraw(&f->trace->growth, &f->sum, GROWTH_LITTLE);
}

void finding_doubts_judge(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (is_found(&l->at[i]))
			doubt_diluted(&l->at[i]);
	for (size_t i = 0; i < l->n; i++)
		if (is_found(&l->at[i]))
			doubt_foreign(&l->at[i]);
}

/* Whether it is one of CPython's caches, within its bound. */
static bool is_cache(const struct finding *f)
{
	for (size_t i = 0; f->has_holder && i < sizeof caches / sizeof *caches; i++)
		if (!strcmp(f->holder.chain.expression, caches[i].expression))
			return view_entries(&f->trace->remains->view, f->holder.object) <= caches[i].most;
	return false;
}

static uint64_t objects_of(const struct heap *h, const char *type)
{
	uint64_t n = 0;

	for (size_t i = 0; i < h->types.n; i++)
		if (!strcmp(heap_text_of(h, h->types.at[i].name), type))
			n += h->types.at[i].n;
	return n;
}

static bool is_of_sqlite(struct place_table *places, node_id node)
{
	node_id below = place_below(places, node);
	const char *module = below > NODE_UNKNOWN ? place_find(places, below)->module : NULL;

	return module && strstr(module, "libsqlite3");
}

/* Whether SQLite made most of a finding: its stacks have lines and functions of many. */
static bool is_mostly_of_sqlite(const struct finding *f)
{
	struct report_trace *t = f->trace;
	uint64_t all = 0, own = 0;
	size_t n;
	uint32_t *curves = finding_curves(f, &n);

	for (size_t i = 0; i < n; i++) {
		uint64_t bytes, blocks;

		growth_alive(&t->growth, curves[i], &bytes, &blocks);
		all += bytes;
		own += is_of_sqlite(&t->places, t->curves.curves.at[curves[i]].node) ? bytes : 0;
	}
	free(curves);
	return own * 2 > all;
}

/* Whether it is what a few open databases keep in memory. Without a snapshot (the program was killed) one is assumed.
 */
static bool is_of_databases(const struct finding *f)
{
	const struct remains *remains = f->trace->remains;
	uint64_t n = remains && remains->view.loaded ? objects_of(&remains->view.heap, "sqlite3.Connection") : 1;

	return n && n <= DATABASES_MOST && f->sum.bytes <= n * DATABASE_BYTES && is_mostly_of_sqlite(f);
}

void finding_doubts_holder(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct finding *f = &l->at[i];
		bool bounded = f->trace->remains && (f->holder.bounded || is_cache(f));

		if (is_found(f) && (bounded || is_of_databases(f)))
			growth_withdraw(&f->trace->growth, &f->sum, GROWTH_BOUNDED);
	}
}
