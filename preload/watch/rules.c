/* SPDX-License-Identifier: Apache-2.0 */
/* rules: see rules.h. Conditions that occur in several rules are kept once, so that sets of them are bits of a word. */
#include "preload/watch/rules.h"

#include <stdio.h>
#include <string.h>

#include "preload/base/arena.h"
#include "preload/base/os.h"

enum { FILE_BYTES_MAX = 256 << 10, NAME_BYTES_MAX = 4096 };

struct text {
	const char *at;
	size_t bytes;
};

struct site {
	struct text file;
	uint32_t line;
};

/* What a reader fills in. */
struct book {
	unsigned n, n_types, n_sites;
	struct rule rules[RULES_MAX];
	struct text types[RULES_TYPES_MAX];
	struct site sites[RULES_SITES_MAX];
	const char *means;
	struct text suspects; /* of the item read last; bytes 0: it was none */
	bool is_full;
};

static struct book book;

static struct text trimmed(const char *at, size_t bytes)
{
	for (; bytes && (*at == ' ' || *at == '\t'); at++)
		bytes--;
	while (bytes && (at[bytes - 1] == ' ' || at[bytes - 1] == '\t' || at[bytes - 1] == '\r'))
		bytes--;
	return (struct text){ at, bytes };
}

static bool is(struct text t, const char *word) { return t.bytes == strlen(word) && !memcmp(t.at, word, t.bytes); }
static bool equal(struct text a, struct text b) { return a.bytes == b.bytes && !memcmp(a.at, b.at, a.bytes); }

/* Steps over a word in front; false: it isn't there. */
static bool begins(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if (t->bytes < n || memcmp(t->at, word, n))
		return false;
	*t = (struct text){ t->at + n, t->bytes - n };
	return true;
}

/* ---- conditions ---- */

static bool read_type(struct book *b, struct rule *r, struct text name)
{
	unsigned i = 0;

	if (!name.bytes || name.bytes > NAME_BYTES_MAX || r->type != RULES_NONE)
		return false;
	while (i < b->n_types && !equal(b->types[i], name))
		i++;
	if (i == RULES_TYPES_MAX) {
		b->is_full = true;
		return false;
	}
	if (i == b->n_types)
		b->types[b->n_types++] = name;
	r->type = (int8_t)i;
	return true;
}

static bool read_line(struct text digits, uint32_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < digits.bytes; i++) {
		if (digits.at[i] < '0' || digits.at[i] > '9' || v > INT32_MAX)
			return false;
		v = v * 10 + (uint64_t)(digits.at[i] - '0');
	}
	*ret = (uint32_t)v;
	return v && v <= INT32_MAX;
}

static bool read_site(struct book *b, struct rule *r, struct text place)
{
	const char *colon = memrchr(place.at, ':', place.bytes);
	struct site s = { .file = { place.at, colon ? (size_t)(colon - place.at) : 0 } };
	unsigned i = 0;

	if (!s.file.bytes || s.file.bytes > NAME_BYTES_MAX || r->site != RULES_NONE ||
	    !read_line((struct text){ colon + 1, place.bytes - s.file.bytes - 1 }, &s.line))
		return false;
	while (i < b->n_sites && (b->sites[i].line != s.line || !equal(b->sites[i].file, s.file)))
		i++;
	if (i == RULES_SITES_MAX) {
		b->is_full = true;
		return false;
	}
	if (i == b->n_sites)
		b->sites[b->n_sites++] = s;
	r->site = (int8_t)i;
	return true;
}

static bool read_random(struct book *b, struct rule *r, struct text nothing)
{
	(void)b;
	if (nothing.bytes || r->random)
		return false;
	return r->random = true;
}

static const struct {
	const char *word;
	bool (*read)(struct book *b, struct rule *r, struct text value);
} conditions[] = { { "type:", read_type }, { "site:", read_site }, { "random", read_random } };

/* Where the next condition of a rule begins: names of files may hold blanks. */
static size_t end_of_condition(struct text t)
{
	for (size_t i = 1; i < t.bytes; i++)
		for (unsigned k = 0; k < sizeof conditions / sizeof *conditions; k++) {
			struct text rest = { t.at + i, t.bytes - i };

			if (t.at[i - 1] == ' ' && begins(&rest, conditions[k].word) &&
			    (strchr(conditions[k].word, ':') || !rest.bytes || *rest.at == ' '))
				return i;
		}
	return t.bytes;
}

static bool read_condition(struct book *b, struct rule *r, struct text t)
{
	for (unsigned k = 0; k < sizeof conditions / sizeof *conditions; k++)
		if (begins(&t, conditions[k].word))
			return conditions[k].read(b, r, t);
	return false;
}

static bool read_rule(struct book *b, struct text t)
{
	struct rule r = { RULES_NONE, RULES_NONE, false };

	if (b->n == RULES_MAX) {
		b->is_full = true;
		return false;
	}
	while (t.bytes) {
		size_t n = end_of_condition(t);

		if (!read_condition(b, &r, trimmed(t.at, n)))
			return false;
		t = trimmed(t.at + n, t.bytes - n);
	}
	b->rules[b->n++] = r;
	return true;
}

/* ---- lists ---- */

static bool read_means(struct book *b, struct text name)
{
	static const char *const known[] = { "hardware", "pages", "none" };

	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (is(name, known[i]))
			b->means = known[i];
	return b->means;
}

static bool read_item(struct book *b, struct text t)
{
	b->suspects.bytes = 0;
	if (begins(&t, "means:"))
		return read_means(b, t);
	if (!begins(&t, "suspects:"))
		return t.bytes && read_rule(b, t);
	b->suspects = t;
	return t.bytes;
}

/* Calls `take` for each item until it says no. */
static bool each_item(struct book *b, const char *list, bool (*take)(struct book *b, struct text t, void *arg),
		      void *arg)
{
	for (;;) {
		size_t n = strcspn(list, ",");

		if (!take(b, trimmed(list, n), arg))
			return false;
		if (!list[n])
			return true;
		list += n + 1;
	}
}

static bool check_item(struct book *b, struct text t, void *arg)
{
	(void)arg;
	return read_item(b, t);
}

bool rules_check(const char *text)
{
	struct book b = { 0 };

	return !*text || each_item(&b, text, check_item, NULL) || b.is_full;
}

/* ---- files of suspects ---- */

struct error {
	char *line;
	size_t cap;
};

static bool fail(struct error *e, struct text file, unsigned line, const char *why)
{
	char at[32] = "";

	if (line)
		snprintf(at, sizeof at, ":%u", line);
	snprintf(e->line, e->cap, "PYTRACE_WATCH=suspects:%.*s%s: %s; nothing is watched",
		 (int)(file.bytes < 300 ? file.bytes : 300), file.at, at, why);
	return false;
}

/* The whole file, with a terminating zero, in memory that is kept; NULL with *why. */
static const char *whole_file(const char *path, const char **why)
{
	int fd = os_open(path, O_RDONLY | O_NONBLOCK, 0);
	char *text = fd < 0 ? NULL : arena_map(FILE_BYTES_MAX);
	long n = text ? 1 : 0;
	size_t got = 0;

	*why = fd == -ENOENT ? "no such file" : fd == -EACCES ? "no permission" : "cannot be read";
	while (n > 0 && got < FILE_BYTES_MAX) {
		n = os_read(fd, text + got, FILE_BYTES_MAX - got);
		got += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		os_close(fd);
	if (text && n < 0)
		return NULL;
	*why = got == FILE_BYTES_MAX ? "too large" : *why;
	return got < FILE_BYTES_MAX ? text : NULL;
}

static bool read_suspects(struct book *b, struct text file, struct error *e)
{
	char path[NAME_BYTES_MAX];
	const char *text, *why;

	if (file.bytes >= sizeof path)
		return fail(e, file, 0, "the name is too long");
	memcpy(path, file.at, file.bytes);
	path[file.bytes] = 0;
	text = whole_file(path, &why);
	if (!text)
		return fail(e, file, 0, why);
	for (unsigned line = 1; *text; line++) {
		size_t n = strcspn(text, "\n");
		struct text t = trimmed(text, n);

		if (t.bytes && *t.at != '#' && !read_rule(b, t))
			return fail(e, file, line,
				    b->is_full ? "more than can be watched" : "no rule (type:NAME site:FILE:LINE)");
		text += n + (text[n] == '\n');
	}
	return true;
}

static bool take_item(struct book *b, struct text t, void *arg)
{
	struct error *e = arg;

	if (!read_item(b, t)) {
		snprintf(e->line, e->cap, "PYTRACE_WATCH: %s; nothing is watched",
			 b->is_full ? "more rules than can be watched" : "unknown value");
		return false;
	}
	return !b->suspects.bytes || read_suspects(b, b->suspects, e);
}

bool rules_read(const char *text, char *error, size_t cap)
{
	struct error e = { error, cap };
	size_t n = strlen(text) + 1;
	char *copy = n > 1 ? arena_alloc(n) : NULL;

	book = (struct book){ 0 };
	if (!copy)
		return n == 1;
	memcpy(copy, text, n);
	if (each_item(&book, copy, take_item, &e))
		return true;
	book.n = 0;
	return false;
}

/* ---- questions ---- */

unsigned rules_n(void) { return book.n; }
const struct rule *rules_at(unsigned i) { return &book.rules[i]; }
const char *rules_means(void) { return book.means; }

/* Whether `whole` is `part`, or ends with it behind `mark`. */
static bool ends_with(struct text whole, struct text part, char mark)
{
	return whole.bytes >= part.bytes && !memcmp(whole.at + whole.bytes - part.bytes, part.at, part.bytes) &&
	       (whole.bytes == part.bytes || whole.at[whole.bytes - part.bytes - 1] == mark || *part.at == mark);
}

uint64_t rules_of_type(const char *name, size_t bytes)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < book.n_types; i++)
		if (ends_with((struct text){ name, bytes }, book.types[i], '.'))
			set |= UINT64_C(1) << i;
	return set;
}

uint64_t rules_of_file(const char *file, size_t bytes)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < book.n_sites; i++)
		if (ends_with((struct text){ file, bytes }, book.sites[i].file, '/'))
			set |= UINT64_C(1) << i;
	return set;
}

uint64_t rules_of_line(uint64_t sites, uint32_t line)
{
	uint64_t set = 0;

	for (uint64_t rest = sites; rest; rest &= rest - 1)
		if (book.sites[__builtin_ctzll(rest)].line == line)
			set |= rest & -rest;
	return set;
}
