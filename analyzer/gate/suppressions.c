/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/gate/suppressions.h"
#include "analyzer/gate/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum suppression_kind kind;
} kinds[] = {
	{ "leak:", SUPPRESSION_LEAK },
	{ "type:", SUPPRESSION_TYPE },
	{ "verdict:", SUPPRESSION_VERDICT },
};

/* ---- reading ---- */

/* Cuts white space off both ends. */
static char *trimmed(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = 0;
	return text;
}

static char *copy_of(const char *text) { return mem_text(text, strlen(text)); }

/* "NAME PATTERN" or "NAME". */
static bool split_verdict(struct suppression *row, const char *rest)
{
	size_t len = strcspn(rest, " \t");

	if (!len)
		return false;
	row->verdict = mem_text(rest, len);
	row->pattern = copy_of(rest + len + strspn(rest + len, " \t"));
	return true;
}

/* One line that is neither empty nor a comment. */
static bool parse(struct suppressions *s, const char *line, unsigned number)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t len = strlen(kinds[i].name);
		const char *rest = line + len;
		struct suppression row = { .kind = kinds[i].kind, .line = number };

		if (strncmp(line, kinds[i].name, len) || !*rest)
			continue;
		if (row.kind != SUPPRESSION_VERDICT)
			row.pattern = copy_of(rest);
		else if (!split_verdict(&row, rest))
			return false;
		row.text = copy_of(line);
		*array_push(&s->at) = row;
		return true;
	}
	return false;
}

int suppressions_read(struct suppressions *s, const char *file, struct fault *ret_fault)
{
	FILE *f = fopen(file, "re");
	char *text = NULL;
	size_t size = 0;
	int code = 0;

	*s = (struct suppressions){ 0 };
	if (!f)
		return fault_set(ret_fault, FAULT_IO, file, FAULT_NOWHERE, "%s", strerror(errno));
	for (unsigned number = 1; !code && getline(&text, &size, f) >= 0; number++) {
		char *line = trimmed(text);

		if (*line && *line != '#' && !parse(s, line, number))
			code = fault_set(ret_fault, FAULT_FORMAT, file, FAULT_NOWHERE,
					 "line %u is no leak:PATTERN, type:PATTERN or verdict:NAME PATTERN", number);
	}
	if (!code && ferror(f))
		code = fault_set(ret_fault, FAULT_IO, file, FAULT_NOWHERE, "%s", strerror(errno));
	free(text);
	fclose(f);
	return code;
}

void suppressions_free(struct suppressions *s)
{
	for (size_t i = 0; i < s->at.n; i++) {
		free(s->at.at[i].text);
		free(s->at.at[i].verdict);
		free(s->at.at[i].pattern);
	}
	array_free(&s->at);
}

/* ---- matching ---- */

static bool frame_matches(const struct place *p, const char *pattern)
{
	return pattern_matches(pattern, p->function) || (*p->file && pattern_matches(pattern, p->file)) ||
	       (p->module && pattern_matches(pattern, p->module_path));
}

static bool stack_matches(const struct finding *f, const char *pattern)
{
	struct place_table *places = &f->trace->places;

	for (node_id at = f->sum.node; at > NODE_UNKNOWN; at = defs_frame(&f->trace->trace.defs, at)->parent) {
		size_t n;
		const struct place *frames = place_frames(places, at, &n);

		for (size_t i = 0; i < n; i++) {
			if (frame_matches(&frames[i], pattern))
				return true;
		}
	}
	return false;
}

static bool matches(const struct suppression *s, const struct finding *f)
{
	char type[2048];

	switch (s->kind) {
	case SUPPRESSION_LEAK: return stack_matches(f, s->pattern);
	case SUPPRESSION_TYPE: return finding_type(f, type, sizeof type) && pattern_matches(s->pattern, type);
	default: return !strcmp(s->verdict, finding_verdict(f)) && (!*s->pattern || stack_matches(f, s->pattern));
	}
}

const struct suppression *suppressions_find(struct suppressions *s, const struct finding *f)
{
	for (size_t i = 0; i < s->at.n; i++) {
		if (!matches(&s->at.at[i], f))
			continue;
		s->at.at[i].findings++;
		return &s->at.at[i];
	}
	return NULL;
}
