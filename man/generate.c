/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate: prints the manual pages from the option tables
 *
 *     man-generate pytrace.1       from the pages of analyzer/commands
 *     man-generate libpytrace.7    from preload/options.def
 *
 * A program of the build, not installed. What lies in no table is written here.
 */
#include "analyzer/commands/commands.h"

#include <stdio.h>
#include <string.h>

/* Text as troff wants it: no escapes, no requests, and dashes that can be copied. */
static void put(const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			fputc(*text, stdout);
		line_start = *text == '\n';
	}
}

/* Paragraphs are parted by empty lines; lines that start with a space are shown as they are. */
static void put_paragraphs(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[2000];

		snprintf(line, sizeof line, "%.*s", (int)len, text);
		if (!len)
			puts(".PP");
		else if (*line == ' ')
			fputs(".br\n", stdout);
		put(line);
		if (len)
			fputc('\n', stdout);
		text += len + (text[len] == '\n');
	}
}

static void bold(const char *text)
{
	fputs("\\fB", stdout);
	put(text);
	fputs("\\fR", stdout);
}

static void italic(const char *text)
{
	fputs("\\fI", stdout);
	put(text);
	fputs("\\fR", stdout);
}

static void section(const char *title) { printf(".SH %s\n", title); }

static void header(const char *name, const char *number, const char *about)
{
	printf(".\\\" Made by man/generate.c from the option tables.\n.TH %s %s \"\" \"pytrace %s\" \"pytrace\"\n",
	       name, number, PT_VERSION_TEXT);
	section("NAME");
	put(name);
	printf(" \\- ");
	put(about);
	fputc('\n', stdout);
}

/* ---- pytrace(1) ---- */

static void option(const struct option_row *row, void *arg)
{
	char name[80], letter[4] = { '-', row->letter, 0 };

	(void)arg;
	puts(".TP");
	snprintf(name, sizeof name, "--%s", row->name);
	if (row->letter) {
		bold(letter);
		fputs(", ", stdout);
	}
	bold(name);
	if (row->value) {
		fputc(' ', stdout);
		italic(row->value);
	}
	fputc('\n', stdout);
	put(row->help);
	fputs(".\n", stdout);
}

static void command(const struct option_page *page)
{
	fputs(".SS pytrace ", stdout);
	put(page->name);
	fputs(" [OPTION...] ", stdout);
	put(page->operands);
	fputc('\n', stdout);
	put(page->summary);
	fputs(".\n", stdout);
	if (page->details) {
		puts(".PP");
		put_paragraphs(page->details);
	}
	options_each(page, option, NULL);
	for (const struct option_example *e = page->examples; e && e->line; e++) {
		puts(".PP\n.RS 4");
		fputs("pytrace ", stdout);
		put(e->line);
		puts("\n.RS 4");
		put(e->shows);
		puts("\n.RE\n.RE");
	}
}

static void page_pytrace(void)
{
	static const char *const statuses[][2] = {
		{ "0", "fine" },
		{ "1", "something was found that a gate was asked to refuse" },
		{ "2", "wrong usage, or the output file can't be written" },
		{ "3", "not a readable trace; the other traces were still reported on" },
		{ "4", "readable but incomplete, and \\-\\-require\\-complete was given" },
	};

	header("pytrace", "1", "reads what libpytrace.so recorded of a program's memory");
	section("SYNOPSIS");
	for (size_t i = 0; i < commands_count; i++) {
		bold("pytrace");
		fputc(' ', stdout);
		bold(commands[i]->page.name);
		fputs(" [OPTION...] ", stdout);
		italic(commands[i]->page.operands);
		puts("\n.br");
	}
	section("DESCRIPTION");
	puts("A Python program that is started with libpytrace.so preloaded (see libpytrace(7)) writes a trace: every "
	     "block of\n"
	     "memory that it took and gave back, with the Python stack that did it. pytrace reads such traces. Several "
	     "traces of\n"
	     "one process tree can be given together. A trace that is damaged, or that stops in the middle, is read as "
	     "far as it\n"
	     "goes, and the report says on top what is missing.\n.PP\n"
	     "Reports are text for people; \\fB\\-\\-json\\fR gives the same for programs. Colour is used on a "
	     "terminal only, and\n"
	     "not when NO_COLOR is set.");
	section("COMMANDS");
	for (size_t i = 0; i < commands_count; i++)
		command(&commands[i]->page);
	section("EXIT STATUS");
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		printf(".TP\n.B %s\n%s.\n", statuses[i][0], statuses[i][1]);
	puts(".PP\npytrace run ends as its command did: with the same status, or by the same signal. It is 127 when "
	     "the command is\n"
	     "not found and 126 when it can't be started.");
	section("ENVIRONMENT");
	puts(".TP\n.B PYTRACE_LIBRARY\nThe path of libpytrace.so, for pytrace run.");
	puts(".TP\n.B NO_COLOR\nWhen set and not empty: no colour.");
	section("SEE ALSO");
	puts("libpytrace(7), ld.so(8)");
}

/* ---- libpytrace(7) ---- */

static void variable(const char *name, const char *text, const char *values, const char *help)
{
	puts(".TP");
	bold(name);
	fputc('=', stdout);
	italic(values);
	fputc('\n', stdout);
	put(help);
	printf(". Default: ");
	put(*text ? text : "none");
	fputs(".\n", stdout);
}

static void page_library(void)
{
	header("libpytrace", "7", "records every block of memory that a Python program takes and gives back");
	section("SYNOPSIS");
	puts(".B LD_PRELOAD=libpytrace.so\n.I COMMAND\n.RI [ ARGUMENT... ]");
	section("DESCRIPTION");
	puts("libpytrace.so is preloaded into a Python program, which needs no change and no installation. It records "
	     "each call\n"
	     "of the malloc family, of mmap and its relatives, and of Python's own allocators, with the thread and the "
	     "Python\n"
	     "stack that made it, into one trace file per process. pytrace(1) reads the traces.\n.PP\n"
	     "The traced program behaves as it would without: same output, same exit status, same signals, no thread "
	     "and no\n"
	     "child process added. When recording can't go on (the disk is full, the size limit is reached), it stops, "
	     "the\n"
	     "program goes on, and the trace says why. A process that is killed leaves a trace of all that had been "
	     "recorded.");
	section("ENVIRONMENT");
	puts("An option that is not known, or a value that can't be read, gives one line on stderr, and nothing is "
	     "traced.");
#define OPTION(NAME, field, KIND, text, values, help) variable("PYTRACE_" #NAME, text, values, help);
#include "preload/options.def"
	section("PYTHON MODULE");
	puts("In a traced Python program\n.B import libpytrace\nworks without an installation:\n"
	     ".TP\n.B mark(label)\nsets a mark: a label at this moment.\n"
	     ".TP\n.B region(label)\nis a context manager, and a decorator of functions, coroutines and generators: "
	     "what is\nmade within can be told apart (pytrace sites \\-\\-region).\n"
	     ".TP\n.B snapshot(label=None)\ntakes a snapshot of all objects now; returns its number, or None.\n"
	     ".TP\n.B watch(object)\nrecords every change of its reference count from here on; returns whether it "
	     "does.\n"
	     ".TP\n.B start()\nrecords from here on, where PYTRACE_START=0 began without, or after stop().\n"
	     ".TP\n.B stop()\nrecords nothing new until start(). What was recorded stays true: releases of it are "
	     "still "
	     "noted. Both return whether that changed anything, and hold for all threads.\n"
	     ".TP\n.B flush()\nreturns when what was recorded so far can be read in the file.\n"
	     ".TP\n.B stats()\nis a dict: the trace's file, events, lost events, snapshots, watched objects.\n.PP\n"
	     "Untraced programs find the package of that name (python/ in the sources), whose functions do nothing.");
	section("FILES");
	puts(".TP\n.I PROGRAM.PID.pytrace\nThe trace, in the folder in which the process started, unless "
	     "PYTRACE_OUTPUT says\n"
	     "otherwise. The form of the file is specified in formats/FORMAT.md of the sources.");
	section("EXAMPLES");
	puts(".nf\nLD_PRELOAD=libpytrace.so python3 app.py\n"
	     "PYTRACE_OUTPUT=/var/tmp/%n.%p.pytrace PYTRACE_MAX_SIZE=2G LD_PRELOAD=libpytrace.so gunicorn "
	     "app:wsgi\n.fi");
	section("SEE ALSO");
	puts("pytrace(1), ld.so(8)");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "pytrace.1"))
		page_pytrace();
	else if (argc == 2 && !strcmp(argv[1], "libpytrace.7"))
		page_library();
	else
		return 2;
	return fflush(stdout) || ferror(stdout);
}
