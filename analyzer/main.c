/* SPDX-License-Identifier: Apache-2.0 */
/* main: argv[1] to a row of commands.def; help and version. Everything else is the commands' own. */
#include "analyzer/command.h"
#include "analyzer/commands/commands.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A trace that somebody truncates while it is mapped takes its pages away. */
static void on_sigbus(int sig)
{
	static const char text[] = "pytrace: the trace became shorter while it was being read\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(EXIT_UNREADABLE);
	_exit(EXIT_UNREADABLE);
}

static void print_help(FILE *f)
{
	fputs("pytrace: reads what libpytrace.so recorded of a program's memory\n\n"
	      "Usage: pytrace COMMAND [OPTION...] TRACE...\n\nCommands:\n", f);
	for (size_t i = 0; i < commands_count; i++)
		fprintf(f, "  %-10s %s\n", commands[i]->page.name, commands[i]->page.summary);
	fputs("\n`pytrace COMMAND --help` tells what a command takes. Exit codes: 0 fine, 1 something was found,\n"
	      "2 wrong usage, 3 not a readable trace, 4 incomplete where completeness was demanded.\n", f);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < commands_count; i++)
		if (!strcmp(commands[i]->page.name, name))
			return commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	const char **names = calloc(commands_count, sizeof *names);
	const char *nearest = NULL;

	for (size_t i = 0; names && i < commands_count; i++)
		names[i] = commands[i]->page.name;
	if (names)
		nearest = options_nearest(name, names, commands_count);
	if (nearest)
		fprintf(stderr, "pytrace: no command '%s'; did you mean '%s'?\n", name, nearest);
	else
		fprintf(stderr, "pytrace: no command '%s'; `pytrace --help` lists them\n", name);
	free(names);
	return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct command *c = argc > 2 ? find(argv[2]) : NULL;

	if (argc > 2 && !c)
		return unknown(argv[2]);
	if (c)
		options_help(&c->page, stdout);
	else
		print_help(stdout);
	return EXIT_FINE;
}

static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		fputs("pytrace: cannot write to the standard output\n", stderr);
		return status ? status : EXIT_UNREADABLE;
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct command *c;

	signal(SIGBUS, on_sigbus);
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return finish(help(argc, argv));
	if (!strcmp(argv[1], "--version")) {
		printf("pytrace %s\n", PT_VERSION_TEXT);
		return finish(EXIT_FINE);
	}
	c = find(argv[1]);
	return c ? c->run(argc - 1, argv + 1) : unknown(argv[1]);
}
