/* SPDX-License-Identifier: Apache-2.0 */
/* environment: LD_PRELOAD. */
#include "preload/process/environment.h"
#include "preload/base/os.h"

#include <limits.h>
#include <string.h>

extern char **environ;

static const char variable[] = "LD_PRELOAD=", library[] = "libpytrace.so";
enum { VARIABLE = sizeof variable - 1, TEXT_MAX = 4 * PATH_MAX };

static char **find_variable(void)
{
	for (char **e = environ; e && *e; e++)
		if (!strncmp(*e, variable, VARIABLE))
			return e;
	return NULL;
}

static bool is_us(const char *entry, size_t len)
{
	return len >= sizeof library - 1 && !memcmp(entry + len - (sizeof library - 1), library, sizeof library - 1);
}

/* Entries are separated by colons or blanks. */
static size_t entry_length(const char *text) { return strcspn(text, " :"); }

static bool is_relative_path(const char *entry, size_t len) { return *entry != '/' && memchr(entry, '/', len); }

void environment_make_absolute(void)
{
	static char text[TEXT_MAX];
	char **e = find_variable();
	size_t used = VARIABLE;

	if (!e || strlen(*e) + PATH_MAX >= sizeof text)
		return;
	memcpy(text, variable, VARIABLE);
	for (const char *at = *e + VARIABLE; *at;) {
		size_t len = entry_length(at), whole = len + (at[len] != 0);

		if (is_us(at, len) && is_relative_path(at, len)) {
			long n = os_call(SYS_getcwd, text + used, PATH_MAX);

			if (n < 2 || used + (size_t)n + strlen(at) >= sizeof text)
				return;
			used += (size_t)n;
			text[used - 1] = '/';
		}
		memcpy(text + used, at, whole);
		used += whole;
		at += whole;
	}
	text[used] = 0;
	if (strcmp(text, *e))
		*e = text;
}

void environment_leave(void)
{
	char **e = find_variable(), *at = e ? *e + VARIABLE : NULL;

	while (at && *at) {
		size_t len = entry_length(at), whole = len + (at[len] != 0);

		if (is_us(at, len))
			memmove(at, at + whole, strlen(at + whole) + 1);
		else
			at += whole;
	}
	if (e && !(*e)[VARIABLE])
		for (; *e; e++)
			*e = e[1];
}
