/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what a command of pytrace is
 *
 * commands/NAME.c, or commands/NAME/NAME.c where a command takes several files, defines a `const struct command
 * command_NAME`; commands/commands.def lists them in the order of the help.
 */
#pragma once
#include "analyzer/out/options.h"

/* What pytrace exits with. */
enum exit_code {
	EXIT_FINE = 0,
	EXIT_FOUND = 1, /* check found a leak, diff found a regression */
	EXIT_USAGE = 2,
	EXIT_UNREADABLE = 3, /* not a readable trace */
	EXIT_INCOMPLETE = 4, /* readable but incomplete, where completeness was demanded */
};

struct command {
	struct option_page page;           /* name, help and options, as out/options.h shows them */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns an exit code */
};
