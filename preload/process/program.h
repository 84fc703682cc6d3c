/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: which program this process runs, and whether it is one to trace
 *
 * An LD_PRELOAD reaches every program that is started: shells, `env`, `timeout`. All but Python interpreters, and
 * programs that are linked with one, are passed through.
 */
#pragma once
#include <stdbool.h>

struct program {
	char exe[4096]; /* path of the executable; "" when /proc does not tell */
	char name[256]; /* for people and file names: the script, the module after -m, or the program */
	int argc;
	char *const *argv;
};

void program_look(struct program *p, int argc, char *const *argv);
/* Whether one of the globs (comma-separated) fits the executable's name or argv[0]'s. */
bool program_fits(const struct program *p, const char *globs);
/* An interpreter that only its name, or the name of what it runs, gives away: no symbol of it can be seen. */
struct program_other {
	const char *implementation, *stacks_off; /* as in py_info() */
};
bool program_other(const struct program *p, struct program_other *ret);
/* The globs of interpreters. */
extern const char program_interpreters[];
