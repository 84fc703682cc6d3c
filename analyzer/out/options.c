/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over argv. Operands are gathered in front of it (a stable partition), so that options may stand anywhere;
 * after "--" everything is an operand. Long names must be whole: an abbreviation that works today is ambiguous once a
 * later version adds an option.
 */
#include "analyzer/out/options.h"
#include "analyzer/out/format.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HELP_WIDTH  80
#define HELP_INDENT 24 /* column where the sentences on options start */
#define NEAREST_MAX 40 /* longer words are not worth a guess */
#define OPTIONS_MAX 64 /* rows of one page, all groups together */

static const struct option_row output_rows[] = {
	{ 'o', "output", OPTION_TEXT, offsetof(struct options_common, output), "FILE",
	  "write to FILE instead of the terminal" },
	{ 'f', "force", OPTION_FLAG, offsetof(struct options_common, force), NULL, "overwrite FILE if it exists" },
	{ 0 },
};
static const struct option_row json_rows[] = {
	{ 0, "json", OPTION_FLAG, offsetof(struct options_common, json), NULL,
	  "print JSON for programs instead of text" },
	{ 0 },
};
static const struct option_row complete_rows[] = {
	{ 0, "require-complete", OPTION_FLAG, offsetof(struct options_common, require_complete), NULL,
	  "exit with 4 when a trace is incomplete" },
	{ 0 },
};
static const struct option_row full_rows[] = {
	{ 0, "full", OPTION_FLAG, offsetof(struct options_common, full), NULL,
	  "whole stacks and paths, nothing folded or left out" },
	{ 0 },
};
static const struct option_row symbols_rows[] = {
	{ 0, "sysroot", OPTION_TEXT, offsetof(struct options_common, sysroot), "DIR",
	  "look for libraries and sources below DIR: a copy of the machine that was traced" },
	{ 0, "debug-path", OPTION_TEXT, offsetof(struct options_common, debug_path), "DIR[:DIR]",
	  "look for debug files and libraries in DIR, too" },
	{ 0 },
};
static const struct option_row internals_rows[] = {
	{ 0, "internals", OPTION_FLAG, offsetof(struct options_common, internals), NULL,
	  "stacks show the interpreter's own frames, too" },
	{ 0 },
};
static const struct option_row scope_rows[] = {
	{ 0, "region", OPTION_TEXT, offsetof(struct options_common, region), "LABEL",
	  "only what was made in regions of this label (libpytrace.region)" },
	{ 0, "mark", OPTION_TEXT, offsetof(struct options_common, mark), "LABEL",
	  "only what was made from a mark of this label (libpytrace.mark) to the next mark" },
	{ 0 },
};
static const struct option_row warmup_rows[] = {
	{ 0, "warmup", OPTION_NUMBER, offsetof(struct options_common, warmup), "N",
	  "growth counts after so many marks, or, without marks, of 16 windows of work (a quarter)" },
	{ 0 },
};
static const struct option_row help_rows[] = {
	{ 'h', "help", OPTION_FLAG, 0, NULL, "print this text" },
	{ 0 },
};
static const struct {
	unsigned group;
	const struct option_row *rows;
} groups[] = {
	{ OPTIONS_SCOPE, scope_rows },       { OPTIONS_FULL, full_rows },     { OPTIONS_INTERNALS, internals_rows },
	{ OPTIONS_SYMBOLS, symbols_rows },   { OPTIONS_JSON, json_rows },     { OPTIONS_OUTPUT, output_rows },
	{ OPTIONS_COMPLETE, complete_rows }, { OPTIONS_WARMUP, warmup_rows },
};
#define N_GROUPS (sizeof groups / sizeof *groups)

/* A row together with the struct that its offset counts from. */
struct bound_row {
	const struct option_row *row;
	char *base; /* NULL: --help */
};

struct parse {
	const struct option_page *page;
	struct bound_row rows[OPTIONS_MAX];
	size_t n_rows;
	int argc;
	char **argv;
	int at;
	int n_operands;
	bool help;
};

static void bind_rows(struct parse *p, const struct option_row *rows, void *base)
{
	for (; rows && rows->name && p->n_rows < OPTIONS_MAX; rows++)
		p->rows[p->n_rows++] = (struct bound_row){ rows, base };
}

static void bind_page(struct parse *p, void *own, struct options_common *common)
{
	bind_rows(p, p->page->rows, own);
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (p->page->groups & groups[i].group)
			bind_rows(p, groups[i].rows, common);
	}
	bind_rows(p, help_rows, NULL);
}

void options_each(const struct option_page *page, void (*fn)(const struct option_row *row, void *arg), void *arg)
{
	struct parse p = { .page = page };

	bind_page(&p, NULL, NULL);
	for (size_t i = 0; i < p.n_rows; i++)
		fn(p.rows[i].row, arg);
}

/* Levenshtein's distance with one row of memory; both words are shorter than NEAREST_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAREST_MAX + 1], len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < change)
				change = row[j] + 1;
			row[j] = row[j - 1] + 1 < change ? row[j - 1] + 1 : change;
		}
	}
	return row[len];
}

const char *options_nearest(const char *word, const char *const words[], size_t n)
{
	size_t length = strlen(word), best = length / 3 + 1;
	const char *nearest = NULL;

	if (length < 2 || length >= NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d;

		if (strlen(words[i]) >= NEAREST_MAX)
			continue;
		d = strncmp(words[i], word, length) ? distance(word, words[i]) : 0;
		if (d < best || (d == best && !nearest)) {
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}

static enum options_result wrong(const struct parse *p, const char *what, const char *word, const char *hint)
{
	char safe[200];

	fprintf(stderr, "pytrace %s: %s%s%s%s (see 'pytrace %s --help')\n", p->page->name, what,
		word ? format_printable(safe, sizeof safe, word) : "", hint && *hint ? "; " : "", hint ? hint : "",
		p->page->name);
	return OPTIONS_WRONG;
}

static enum options_result wrong_option(const struct parse *p, const char *name)
{
	const char *names[OPTIONS_MAX];
	const char *nearest;
	char hint[NEAREST_MAX + 32] = "";

	for (size_t i = 0; i < p->n_rows; i++)
		names[i] = p->rows[i].row->name;
	nearest = options_nearest(name, names, p->n_rows);
	if (nearest)
		snprintf(hint, sizeof hint, "did you mean --%s?", nearest);
	return wrong(p, "unknown option --", name, hint);
}

bool options_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGTP";
	char *end;
	double value, scale = 1;
	const char *unit;

	if (!isdigit((unsigned char)*text))
		return false;
	value = strtod(text, &end);
	if (end != text + strspn(text, "0123456789.")) /* strtod() also takes "0x10" and "1e9" */
		return false;
	while (*end == ' ')
		end++;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		scale = ldexp(1, (int)(10 * (unit - units + 1)));
		end += 1 + (end[1] == 'i');
	}
	if (*end == 'B' || *end == 'b')
		end++;
	if (*end || !(value * scale < 9.2e18))
		return false;
	*ret_bytes = (uint64_t)(value * scale);
	return true;
}

static bool parse_number(const char *text, uint64_t *ret_n)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end || errno)
		return false;
	*ret_n = n;
	return true;
}

static bool parse_choice(const char *text, const char *choices, int *ret_index)
{
	size_t len = strlen(text);

	for (int i = 0; *choices; i++) {
		size_t n = strcspn(choices, "|");

		if (n == len && !memcmp(choices, text, n)) {
			*ret_index = i;
			return true;
		}
		choices += n + (choices[n] == '|');
	}
	return false;
}

/* Stores a value where its row says. False when the text is no such value. */
static bool store(const struct bound_row *b, const char *text)
{
	void *field = b->base + b->row->offset;

	switch (b->row->kind) {
	case OPTION_FLAG: *(bool *)field = true; return true;
	case OPTION_TEXT: *(const char **)field = text; return *text != 0;
	case OPTION_NUMBER: return parse_number(text, field);
	case OPTION_SIZE: return options_size(text, field);
	case OPTION_CHOICE: return parse_choice(text, b->row->value, field);
	}
	return false;
}

static enum options_result take(struct parse *p, const struct bound_row *b, const char *text)
{
	static const char *const wanted[] = {
		[OPTION_TEXT] = "it wants ",
		[OPTION_NUMBER] = "it wants a number",
		[OPTION_SIZE] = "it wants a size such as 64K",
		[OPTION_CHOICE] = "it is one of ",
	};
	char what[64], hint[160], shown[120];

	if (!b->base) {
		p->help = true;
		return OPTIONS_GO;
	}
	snprintf(what, sizeof what, "--%s ", b->row->name);
	if (b->row->kind != OPTION_FLAG && !text) {
		if (p->at + 1 >= p->argc) {
			snprintf(hint, sizeof hint, "it wants a value: %s", b->row->value);
			return wrong(p, what, "is the last word", hint);
		}
		text = p->argv[++p->at];
	}
	if (store(b, text))
		return OPTIONS_GO;
	snprintf(what, sizeof what, "--%s can't be '", b->row->name);
	snprintf(hint, sizeof hint, "%s%s", wanted[b->row->kind],
		 b->row->kind == OPTION_CHOICE || b->row->kind == OPTION_TEXT ? b->row->value : "");
	for (char *c = hint; b->row->kind == OPTION_CHOICE && *c; c++)
		*c = *c == '|' ? ' ' : *c;
	snprintf(shown, sizeof shown, "%.100s'", text);
	return wrong(p, what, shown, hint);
}

static enum options_result parse_long(struct parse *p, const char *word)
{
	size_t len = strcspn(word, "=");
	char name[NEAREST_MAX];

	for (size_t i = 0; i < p->n_rows; i++) {
		const struct option_row *row = p->rows[i].row;

		if (strlen(row->name) != len || memcmp(row->name, word, len))
			continue;
		if (word[len] && row->kind == OPTION_FLAG)
			return wrong(p, "this option takes no value: --", word, NULL);
		return take(p, &p->rows[i], word[len] ? word + len + 1 : NULL);
	}
	snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), word);
	return wrong_option(p, name);
}

/* "-f", "-o FILE", "-oFILE"; flags may be packed: "-fo FILE". */
static enum options_result parse_short(struct parse *p, const char *letters)
{
	for (; *letters; letters++) {
		const struct bound_row *found = NULL;
		enum options_result result;

		for (size_t i = 0; i < p->n_rows && !found; i++)
			found = p->rows[i].row->letter == *letters ? &p->rows[i] : NULL;
		if (!found)
			return wrong(p, "unknown option -", letters, NULL);
		if (found->row->kind != OPTION_FLAG)
			return take(p, found, letters[1] ? letters + 1 : NULL);
		result = take(p, found, NULL);
		if (result != OPTIONS_GO)
			return result;
	}
	return OPTIONS_GO;
}

/* Everything from argv[at] on is an operand. */
static void take_rest(struct parse *p)
{
	while (p->at < p->argc)
		p->argv[1 + p->n_operands++] = p->argv[p->at++];
}

static enum options_result parse_words(struct parse *p)
{
	for (p->at = 1; p->at < p->argc; p->at++) {
		char *word = p->argv[p->at];
		enum options_result result = OPTIONS_GO;

		if (!strcmp(word, "--")) {
			p->at++;
			take_rest(p);
		} else if (word[0] == '-' && word[1] == '-') {
			result = parse_long(p, word + 2);
		} else if (word[0] == '-' && word[1]) {
			result = parse_short(p, word + 1);
		} else if (p->page->groups & OPTIONS_FIRST) {
			take_rest(p);
		} else {
			p->argv[1 + p->n_operands++] = word;
		}
		if (result != OPTIONS_GO)
			return result;
	}
	return OPTIONS_GO;
}

enum options_result options_parse(const struct option_page *page, void *own, struct options_common *common, int argc,
				  char **argv)
{
	struct parse p = { .page = page, .argc = argc, .argv = argv };
	enum options_result result;

	bind_page(&p, own, common);
	result = parse_words(&p);
	common->operands = argv + 1;
	common->n_operands = p.n_operands;
	if (result == OPTIONS_GO && p.help) {
		options_help(page, stdout);
		return OPTIONS_DONE;
	}
	if (result == OPTIONS_GO && page->groups & OPTIONS_TRACES && !p.n_operands)
		return wrong(&p, "no trace given", NULL, NULL);
	return result;
}

static void help_row(const struct option_row *row, void *arg)
{
	FILE *f = arg;
	char letter[8] = "    ";
	int column;

	if (row->letter)
		snprintf(letter, sizeof letter, "-%c, ", row->letter);
	column = fprintf(f, "  %s--%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : "");
	if (column >= HELP_INDENT) {
		fputc('\n', f);
		column = 0;
	}
	format_wrapped(f, row->help, (unsigned)column, HELP_INDENT, HELP_WIDTH);
}

void options_help(const struct option_page *page, FILE *f)
{
	fprintf(f, "pytrace %s: %s\n\n", page->name, page->summary);
	fprintf(f, "Usage: pytrace %s [OPTION...] %s\n", page->name, page->operands);
	if (page->details) {
		fputc('\n', f);
		format_wrapped(f, page->details, 0, 0, HELP_WIDTH);
	}
	fputs("\nOptions:\n", f);
	options_each(page, help_row, f);
	if (page->examples)
		fputs("\nExamples:\n", f);
	for (const struct option_example *e = page->examples; e && e->line; e++) {
		fprintf(f, "  pytrace %s\n", e->line);
		format_wrapped(f, e->shows, 0, 6, HELP_WIDTH);
	}
}
