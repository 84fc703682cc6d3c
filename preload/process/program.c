/* SPDX-License-Identifier: Apache-2.0 */
/* program: names. */
#include "preload/process/program.h"
#include "preload/base/os.h"

#include <fnmatch.h>
#include <string.h>

const char program_interpreters[] = "python,python[23]*,pypy*,micropython*,graalpy*,jython*,uwsgi*";

static void set_name(struct program *p, const char *name)
{
	size_t len = strnlen(name, sizeof p->name - 1);

	memcpy(p->name, name, len);
	p->name[len] = 0;
	if (len > 3 && !strcmp(p->name + len - 3, ".py"))
		p->name[len - 3] = 0;
}

/* Of an interpreter's command line: what it runs. Options that take a value end in c, m, W or X ("-Xdev", "-X dev",
 * "-Bm mod"); -c and -m end the interpreter's own options. */
static const char *script_of(int argc, char *const *argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *flag;

		if (a[0] != '-' || !a[1])
			return a[1] ? os_file_name(a) : NULL;
		if (a[1] == '-')
			continue;
		flag = strpbrk(a + 1, "cmWX");
		if (!flag)
			continue;
		if (*flag == 'c')
			return NULL;
		if (*flag == 'm')
			return flag[1] ? flag + 1 : i + 1 < argc ? argv[i + 1] : NULL;
		if (!flag[1])
			i++;
	}
	return NULL;
}

void program_look(struct program *p, int argc, char *const *argv)
{
	long n = os_readlink("/proc/self/exe", p->exe, sizeof p->exe - 1);
	const char *script;

	p->exe[n > 0 ? n : 0] = 0;
	p->argc = argc;
	p->argv = argv;
	script = program_fits(p, program_interpreters) ? script_of(argc, argv) : NULL;
	if (script && *script)
		set_name(p, script);
	else
		set_name(p, os_file_name(p->exe[0] ? p->exe : argc > 0 ? argv[0] : "program"));
}

static bool fits_one(const char *glob, size_t len, const char *name)
{
	char pattern[256];

	if (!len || len >= sizeof pattern)
		return false;
	memcpy(pattern, glob, len);
	pattern[len] = 0;
	return !fnmatch(pattern, name, 0);
}

bool program_fits(const struct program *p, const char *globs)
{
	const char *names[] = { os_file_name(p->exe), p->argc > 0 && p->argv[0] ? os_file_name(p->argv[0]) : "" };

	while (*globs) {
		size_t len = strcspn(globs, ",");

		if (fits_one(globs, len, names[0]) || fits_one(globs, len, names[1]))
			return true;
		globs += len + (globs[len] == ',');
	}
	return false;
}

static bool argument_holds(const struct program *p, const char *word)
{
	for (int i = 1; i < p->argc && p->argv[i]; i++)
		if (strstr(p->argv[i], word))
			return true;
	return false;
}

bool program_other(const struct program *p, struct program_other *ret)
{
	static const struct {
		const char *globs, *argument;
		struct program_other other;
	} others[] = {
		{ "micropython*",
		  "",
		  { "MicroPython", "MicroPython keeps objects and frames in one block of memory" } },
		{ "java", "jython", { "Jython", "Jython's objects and frames are in the heap of the Java machine" } },
		{ "graalpy*", "", { "GraalPy", "GraalPy's objects and frames are in the heap of the Java machine" } },
	};

	for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
		if (!program_fits(p, others[i].globs) ||
		    (*others[i].argument && !argument_holds(p, others[i].argument)))
			continue;
		*ret = others[i].other;
		return true;
	}
	return false;
}
