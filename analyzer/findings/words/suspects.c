/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/findings/words/suspects.h"
#include "analyzer/base/mem.h"
#include "analyzer/findings/kinds/finding_kinds.h"
#include "analyzer/findings/words/finding_words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST        5  /* references of a group: less is what every program has ... */
#define NOBODY_LEAST 50 /* ... and of blocks that nobody refers to */

static void add(struct suspects *s, const char *rule, const char *why, uint64_t references, int rank)
{
	if (!*rule)
		return;
	for (size_t i = 0; i < s->at.n; i++)
		if (!strcmp(s->at.at[i].rule, rule))
			return;
	*array_push(&s->at) = (struct suspect){
		.rule = mem_text(rule, strlen(rule)),
		.why = mem_text(why, strlen(why)),
		.references = references,
		.rank = rank,
	};
}

static void add_findings(struct suspects *s, const struct finding_list *l)
{
	char rule[600], why[800];

	for (size_t i = 0; i < l->n_found + l->n_undecided; i++) {
		const struct finding *f = &l->at[i];

		if (f->lost.kind)
			add(s, finding_rule(f, rule, sizeof rule), finding_why(f, why, sizeof why),
			    f->lost.kind == LOST_NOBODY ? f->lost.unknown : f->lost.references,
			    f->sum.verdict == GROWTH_FOUND ? 0 : 1);
	}
}

static void add_groups(struct suspects *s, struct report_trace *t)
{
	const struct surplus *all = &t->remains->surplus;
	char rule[600], why[400];

	for (size_t i = 0; i < all->groups.n && all->n; i++) {
		const struct surplus_group *g = &all->groups.at[i];
		const char *type = strings_text(&all->strings, g->type);
		const struct surplus_point *last = &g->at[all->n - 1];

		if (!g->exact || g->healthy || g->types || last->references < LEAST ||
		    (g->node != NODE_UNKNOWN && t->has & REPORT_GROWTH && t->curves.importing[g->node]))
			continue;
		snprintf(why, sizeof why, "%s on %s of type %.200s that nobody holds",
			 format_plural(last->references, "reference", "references").text,
			 format_plural(last->objects, "object", "objects").text, type);
		add(s, finding_rule_of(t, type, g->node, rule, sizeof rule), why, last->references, 2);
	}
}

/* Whether an extension made it: CPython's own code keeps such blocks for reuse. */
static bool is_of_extension(struct report_trace *t, node_id node)
{
	return place_below(&t->places, node) != NODE_EMPTY ||
	       place_find(&t->places, place_site(&t->places, node))->module;
}

static void add_nobodies(struct suspects *s, struct report_trace *t)
{
	const struct surplus *all = &t->remains->surplus;
	char rule[600], why[200];

	for (node_id node = NODE_UNKNOWN + 1; all->blocks && node < t->trace.defs.stacks.nodes.n; node++) {
		const struct surplus_blocks *b = &all->blocks[node];

		if (b->unknown < NOBODY_LEAST || b->unknown * 2 < b->blocks || t->curves.importing[node] ||
		    !is_of_extension(t, node))
			continue;
		snprintf(why, sizeof why, "%s that nobody refers to",
			 format_plural(b->unknown, "block", "blocks").text);
		add(s, finding_rule_of(t, "", node, rule, sizeof rule), why, b->unknown, 2);
	}
}

static int by_rank(const void *left, const void *right)
{
	const struct suspect *a = left, *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->references != b->references)
		return a->references > b->references ? -1 : 1;
	return strcmp(a->rule, b->rule);
}

static void free_suspect(struct suspect *s)
{
	free(s->rule);
	free(s->why);
}

void suspects_find(struct suspects *s, const struct report *r, const struct finding_list *findings)
{
	*s = (struct suspects){ 0 };
	add_findings(s, findings);
	for (size_t i = 0; i < r->n_traces; i++) {
		add_groups(s, r->traces[i]);
		add_nobodies(s, r->traces[i]);
	}
	if (s->at.n)
		qsort(s->at.at, s->at.n, sizeof *s->at.at, by_rank);
	while (s->at.n > SUSPECTS_MAX)
		free_suspect(&s->at.at[--s->at.n]);
}

void suspects_free(struct suspects *s)
{
	for (size_t i = 0; i < s->at.n; i++)
		free_suspect(&s->at.at[i]);
	array_free(&s->at);
}

/* ---- the file ---- */

static void write_all(const struct suspects *s, const struct report *r, FILE *f)
{
	static const char *const ranks[] = { "found", "undecided", "perhaps" };
	char safe[4096];

	fputs("# suspects of pytrace, worst first: PYTRACE_WATCH=suspects:THIS_FILE watches them. From", f);
	for (size_t i = 0; i < r->n_traces; i++)
		fprintf(f, " %s", format_printable(safe, sizeof safe, r->traces[i]->trace.file));
	fputc('\n', f);
	for (size_t i = 0; i < s->at.n; i++) {
		fprintf(f, "# %s: %s\n", ranks[s->at.at[i].rank], format_printable(safe, sizeof safe, s->at.at[i].why));
		fprintf(f, "%s\n", s->at.at[i].rule);
	}
	if (!s->at.n)
		fputs("# none: every count is explained\n", f);
}

bool suspects_write(const struct suspects *s, const struct report *r, const char *file, bool force)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0666);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool good = f != NULL;

	if (f) {
		write_all(s, r, f);
		good = !ferror(f);
		good &= !fclose(f);
	} else if (fd >= 0) {
		close(fd);
	}
	if (!good)
		fprintf(stderr, "pytrace: can't write '%s': %s%s\n", file, strerror(errno),
			errno == EEXIST ? " (-f overwrites it)" : "");
	return good;
}
