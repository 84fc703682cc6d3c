/* SPDX-License-Identifier: Apache-2.0 */
/* name: patterns to paths, paths to files. */
#include "preload/record/name.h"
#include "preload/base/os.h"

#include <string.h>

enum { MAX_SUFFIX = 1000, ROOM_FOR_NUMBER = 8 };

struct text {
	char *at, *end;
	bool full;
};

static void text_put(struct text *t, const char *s, size_t len)
{
	if (len >= (size_t)(t->end - t->at)) {
		t->full = true;
		return;
	}
	memcpy(t->at, s, len);
	t->at += len;
	*t->at = 0;
}

static void text_put_number(struct text *t, uint64_t v)
{
	char digits[20];
	int n = 20;

	do
		digits[--n] = (char)('0' + v % 10);
	while (v /= 10);
	text_put(t, digits + n, (size_t)(20 - n));
}

static void text_put_host(struct text *t)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (gethostname(host, sizeof host - 1))
		host[0] = 0;
	text_put(t, host, strlen(host));
}

/* Names come from argv and may hold anything: a slash would make a path of them. */
static void text_put_name(struct text *t, const char *s)
{
	for (; *s; s++)
		text_put(t, *s == '/' || *(const unsigned char *)s < ' ' ? "_" : s, 1);
}

static bool expand_pattern(struct text *t, const char *pattern, const char *program)
{
	for (const char *p = pattern; *p; p++) {
		if (*p != '%' || !p[1]) {
			text_put(t, p, 1);
			continue;
		}
		switch (*++p) {
		case 'n': text_put_name(t, program); break;
		case 'p': text_put_number(t, os_pid()); break;
		case 'h': text_put_host(t); break;
		case 't': text_put_number(t, os_real_ns() / 1000000000u); break;
		default: text_put(t, p, 1);
		}
	}
	return !t->full;
}

/* The whole path, absolute: a program that changes its directory does not lose the file, and children that are forked
 * after it did so write theirs beside their parent's. */
static bool name_file(char path[PATH_MAX], const char *pattern, const char *program)
{
	static char start_dir[PATH_MAX];
	struct text t = { path, path + PATH_MAX - ROOM_FOR_NUMBER, false };

	path[0] = 0;
	if (!start_dir[0] && os_call(SYS_getcwd, start_dir, sizeof start_dir) < 2)
		return false;
	if (pattern[0] != '/') {
		text_put(&t, start_dir, strlen(start_dir));
		if (t.at > path && t.at[-1] != '/')
			text_put(&t, "/", 1);
	}
	return expand_pattern(&t, pattern, program);
}

/* Never writes over a file that is there: pids come again, and a program that execs keeps its own. The number goes
 * before the last dot, so that the name still ends as the user wanted it. */
static int create_file(char path[PATH_MAX])
{
	static char tail[64];
	char *dot = strrchr(path, '.');
	struct text t = { path + strlen(path), path + PATH_MAX, false };
	int fd = os_open(path, O_RDWR | O_CREAT | O_EXCL, 0666);

	if (!dot || dot < os_file_name(path) || strlen(dot) >= sizeof tail)
		dot = t.at;
	strcpy(tail, dot);
	for (unsigned i = 2; fd == -EEXIST && i < MAX_SUFFIX && os_is_file(path); i++) {
		t.at = dot;
		text_put(&t, "-", 1);
		text_put_number(&t, i);
		text_put(&t, tail, strlen(tail));
		fd = os_open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
	}
	return fd;
}

int name_create(char path[PATH_MAX], const char *pattern, const char *program)
{
	return name_file(path, pattern, program) ? create_file(path) : -ENAMETOOLONG;
}
