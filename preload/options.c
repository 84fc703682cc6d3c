/* SPDX-License-Identifier: Apache-2.0 */
/* options: one table, one reader a kind. */
#include "preload/options.h"
#include "preload/base/os.h"
#include "preload/watch/rules.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct word {
	const char *name;
	uint64_t value;
};

static bool read_word(const char *text, size_t len, const struct word *words, uint64_t *out)
{
	for (; words->name; words++) {
		if (strlen(words->name) == len && !memcmp(words->name, text, len)) {
			*out |= words->value;
			return true;
		}
	}
	return false;
}

static bool read_one(const char *text, const struct word *words, uint64_t *out)
{
	*out = 0;
	return read_word(text, strlen(text), words, out);
}

static bool read_list(const char *text, const struct word *words, uint64_t *out)
{
	*out = 0;
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!read_word(text, len, words, out))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static bool read_TEXT(const char *text, void *field)
{
	*(const char **)field = text;
	return true;
}

static bool read_WATCH(const char *text, void *field) { return read_TEXT(text, field) && rules_check(text); }

static bool read_MODE(const char *text, void *field)
{
	static const struct word words[] = { { "full", OPTIONS_MODE_FULL }, { "off", OPTIONS_MODE_OFF }, { 0 } };

	return read_one(text, words, field);
}

static bool read_BACKEND(const char *text, void *field)
{
	static const struct word words[] = {
		{ "libc", OPTIONS_BACKEND_LIBC },
		{ "jemalloc", OPTIONS_BACKEND_JEMALLOC },
		{ 0 },
	};

	return read_one(text, words, field);
}

static bool read_FOLLOW(const char *text, void *field)
{
	static const struct word words[] = {
		{ "fork", OPTIONS_FOLLOW_FORK },
		{ "exec", OPTIONS_FOLLOW_EXEC },
		{ "none", 0 },
		{ 0 },
	};

	return read_list(text, words, field);
}

static bool read_LOG(const char *text, void *field)
{
	static const struct word words[] = {
		{ "check", OPTIONS_LOG_CHECK }, { "unwind", OPTIONS_LOG_UNWIND }, { "none", 0 }, { "", 0 }, { 0 }
	};

	return read_list(text, words, field);
}

static bool read_SWITCH(const char *text, void *field)
{
	static const struct word words[] = { { "0", 0 }, { "1", 1 }, { "", 0 }, { 0 } };

	return read_one(text, words, field);
}

static bool read_SIZE(const char *text, void *field)
{
	static const char units[] = "KMGT";
	uint64_t v = 0, *out = field;
	const char *unit;

	*out = UINT64_MAX;
	if (!strcmp(text, "none"))
		return true;
	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *text - '0', &v))
			return false;
	unit = *text ? strchr(units, *text & ~0x20) : NULL;
	if (*text && !unit)
		return false;
	for (long i = unit ? unit - units + 1 : 0; i > 0; i--)
		if (__builtin_mul_overflow(v, 1024, &v))
			return false;
	if (unit)
		text++;
	*out = v;
	return !*text || !strcmp(text, "B") || !strcmp(text, "iB");
}

/* A number, and one of the units behind it, NULL-terminated: the value in the unit that counts 1. 0 when it can't be
 * read. */
struct unit {
	const char *name;
	uint64_t factor;
};

static uint64_t read_amount(const char *text, size_t len, const struct unit *units)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text[i] - '0', &v))
			return 0;
	for (; i && units->name; units++)
		if (strlen(units->name) == len - i && !memcmp(units->name, text + i, len - i))
			return __builtin_mul_overflow(v, units->factor, &v) ? 0 : v;
	return 0;
}

static bool read_every(const char *text, size_t len, struct options_snapshot *s)
{
	static const struct unit units[] = {
		{ "ms", UINT64_C(1000000) },    { "s", UINT64_C(1000000000) },    { "", UINT64_C(1000000000) },
		{ "m", UINT64_C(60000000000) }, { "h", UINT64_C(3600000000000) }, { 0 },
	};

	return (s->every_ns = read_amount(text, len, units));
}

static bool read_growth(const char *text, size_t len, struct options_snapshot *s)
{
	static const struct unit units[] = { { "%", 1 }, { "", 1 }, { 0 } };

	return (s->growth = read_amount(text, len, units)) && s->growth <= 1000000;
}

/* Those that a program can do without: not the ones that say that it is broken, or can't be caught. */
static bool read_signal_number(const char *text, size_t len, uint64_t *ret)
{
	static const struct word names[] = {
		{ "HUP", SIGHUP },     { "INT", SIGINT },   { "QUIT", SIGQUIT },     { "USR1", SIGUSR1 },
		{ "USR2", SIGUSR2 },   { "PIPE", SIGPIPE }, { "ALRM", SIGALRM },     { "TERM", SIGTERM },
		{ "CONT", SIGCONT },   { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },     { "TTOU", SIGTTOU },
		{ "URG", SIGURG },     { "XCPU", SIGXCPU }, { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF },
		{ "WINCH", SIGWINCH }, { "IO", SIGIO },     { "PWR", SIGPWR },       { 0 },
	};
	static const struct unit plain[] = { { "", 1 }, { 0 } };
	enum { LAST_OF_LIBC = 33, LAST = 64 }; /* 32 and 33 are libc's own */

	*ret = read_amount(text, len, plain);
	for (const struct word *w = names; w->name && *ret; w++)
		if (w->value == *ret)
			return true;
	if (*ret)
		return *ret > LAST_OF_LIBC && *ret <= LAST;
	if (len > 3 && !memcmp(text, "SIG", 3))
		text += 3, len -= 3;
	return read_word(text, len, names, ret);
}

static bool read_signal(const char *text, size_t len, struct options_snapshot *s)
{
	return read_signal_number(text, len, &s->signal);
}

static bool read_moment(const char *text, size_t len, struct options_snapshot *s)
{
	static const struct word words[] = { { "exit", OPTIONS_SNAPSHOT_EXIT },
					     { "gc", OPTIONS_SNAPSHOT_GC },
					     { "call", OPTIONS_SNAPSHOT_CALL },
					     { 0 } };
	static const struct {
		const char *name;
		bool (*read)(const char *text, size_t len, struct options_snapshot *s);
	} valued[] = { { "every=", read_every }, { "growth=", read_growth }, { "signal=", read_signal } };

	for (unsigned i = 0; i < sizeof valued / sizeof *valued; i++) {
		size_t n = strlen(valued[i].name);

		if (len > n && !memcmp(text, valued[i].name, n))
			return valued[i].read(text + n, len - n, s);
	}
	return read_word(text, len, words, &s->when);
}

static bool read_SNAPSHOT(const char *text, void *field)
{
	struct options_snapshot *s = field;

	*s = (struct options_snapshot){ 0 };
	if (!strcmp(text, "off"))
		return true;
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!read_moment(text, len, s))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

/* Each at most once. */
static bool read_START(const char *text, void *field)
{
	static const struct word words[] = { { "0", 1 }, { "1", 3 }, { 0 } }; /* bit 0: said; bit 1: what */
	static const char prefix[] = "signal=";
	struct options_start *s = field;
	uint64_t on = 0;

	*s = (struct options_start){ 0 };
	for (;;) {
		size_t len = strcspn(text, ","), n = sizeof prefix - 1;
		bool is_signal = len > n && !memcmp(text, prefix, n);

		if (is_signal ? s->signal || !read_signal_number(text + n, len - n, &s->signal)
			      : on || !read_word(text, len, words, &on))
			return false;
		s->on = on >> 1;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static const struct option_row {
	const char *name, *text, *values, *help;
	bool (*read)(const char *text, void *field);
	size_t offset;
} rows[] = {
#define OPTION(NAME, field, KIND, text, values, help) \
	{ "PYTRACE_" #NAME, text, values, help, read_##KIND, offsetof(struct options, field) },
#include "preload/options.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Variables of the same prefix that are others' business. */
static const char *const foreign[] = { "PYTRACE_LIBRARY", "PYTRACE_BUILD", "PYTRACE_TEST", "PYTRACE_BENCH" };

static const struct option_row *find_row(const char *name, size_t len)
{
	for (int i = 0; i < ROWS; i++)
		if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

static bool is_foreign(const char *name)
{
	for (unsigned i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (!strncmp(name, foreign[i], strlen(foreign[i])))
			return true;
	return false;
}

static bool is_option(const char *variable) { return !strncmp(variable, "PYTRACE_", 8) && strchr(variable, '='); }

static bool read_variable(struct options *o, const char *variable, char *error, size_t cap)
{
	size_t len = strcspn(variable, "=");
	const struct option_row *row = find_row(variable, len);
	const char *text = variable + len + 1;

	if (!row && is_foreign(variable))
		return true;
	if (!row) {
		snprintf(error, cap, "%.*s: no such option; not tracing (PYTRACE_HELP=1 lists them)", (int)len,
			 variable);
		return false;
	}
	if (row->read(*text ? text : row->text, (char *)o + row->offset))
		return true;
	snprintf(error, cap, "%s=%.64s: unknown value (%s); not tracing", row->name, text, row->values);
	return false;
}

bool options_read(struct options *o, char *const *environ, char *error, unsigned long cap)
{
	for (int i = 0; i < ROWS; i++)
		rows[i].read(rows[i].text, (char *)o + rows[i].offset);
	for (; environ && *environ; environ++)
		if (is_option(*environ) && !read_variable(o, *environ, error, cap))
			return false;
	return true;
}

void options_text(char *const *environ, char *buf, unsigned long cap)
{
	size_t len = 0;

	buf[0] = 0;
	for (; environ && *environ; environ++) {
		size_t n = strlen(*environ);

		if (!is_option(*environ) || is_foreign(*environ) || len + n + 2 > cap)
			continue;
		if (len)
			buf[len++] = ' ';
		memcpy(buf + len, *environ, n + 1);
		len += n;
	}
}

void options_say(const char *text)
{
	char line[512];
	int n = snprintf(line, sizeof line, "pytrace: %s\n", text);

	os_write(2, line, (size_t)(n < (int)sizeof line ? n : (int)sizeof line - 1));
}

void options_print_help(void)
{
	char line[512];

	for (int i = 0; i < ROWS; i++) {
		int n = snprintf(line, sizeof line, "%-17s %s\n%18s%s (default: %s)\n", rows[i].name, rows[i].help, "",
				 rows[i].values, rows[i].text[0] ? rows[i].text : "none");

		os_write(2, line, (size_t)n);
	}
}
