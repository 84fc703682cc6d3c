/* SPDX-License-Identifier: Apache-2.0 */
/* main: argv[1] to a row of commands.def; help and version. Everything else is the commands' own. */
#include "analyzer/commands/commands.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A page of a mapped trace that the kernel can't give: somebody made the file shorter, or it is a hole on a file system
 * that has no page left even for zeros. Either reads as zeros, which the reader takes for a hole, and says so.
 */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), addr = (uintptr_t)info->si_addr & ~(page - 1);

	(void)context;
	if (info->si_code != BUS_ADRERR ||
	    mmap((void *)addr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		signal(sig, SIG_DFL);
}

static void catch_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
}

static void print_help(FILE *f)
{
	fputs("pytrace: reads what libpytrace.so recorded of a program's memory\n\n"
	      "Usage: pytrace COMMAND [OPTION...] TRACE...\n\nCommands:\n",
	      f);
	for (size_t i = 0; i < commands_count; i++)
		fprintf(f, "  %-10s %s\n", commands[i]->page.name, commands[i]->page.summary);
	fputs("\n`pytrace COMMAND --help` tells what a command takes. Exit codes: 0 fine, 1 something was found,\n"
	      "2 wrong usage, 3 not a readable trace, 4 incomplete where completeness was demanded.\n",
	      f);
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

	catch_sigbus();
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
