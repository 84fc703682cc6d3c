/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: command lines from tables, and the help text from the same tables
 *
 * What:  a command describes itself in a struct option_page: what it answers, its options (one row each), examples.
 *        From it come the parser, `--help` and the manual page, so that they can't disagree.
 * Who:   each command parses its own line; main.c asks options_nearest() for unknown commands.
 * How:   a row says where its value goes as an offset into the command's own struct. Options that many commands share
 *        (output file, JSON, ...) are rows of a table here; a page names the groups that it takes.
 * Errors: one clear line on stderr, with the nearest option where there is one; the caller exits with OPTIONS_USAGE.
 * Threads: none; strings are borrowed from argv.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,   /* bool: set to true */
	OPTION_TEXT,   /* const char *: borrowed from argv */
	OPTION_NUMBER, /* uint64_t: decimal */
	OPTION_SIZE,   /* uint64_t, bytes: "4096", "64K", "1.5MiB", "2G" (powers of 1024) */
	OPTION_CHOICE, /* int: index in the list `value` of words between '|' */
};

/* One option. Tables end with a row whose name is NULL. */
struct option_row {
	char letter;      /* short form, 0 for none */
	const char *name; /* long form without its dashes */
	enum option_kind kind;
	size_t offset;     /* where the value goes, in the struct that options_parse() is given */
	const char *value; /* how --help names the value: "FILE"; for OPTION_CHOICE the choices: "live|peak" */
	const char *help;  /* one sentence, lower case, no full stop */
};

/* A command line that works, and what it shows. Tables end with a row whose line is NULL. */
struct option_example {
	const char *line; /* without the leading "pytrace " */
	const char *shows;
};

/* Groups of shared rows that a page may take. */
enum {
	OPTIONS_OUTPUT = 1 << 0,    /* -o FILE, -f: into struct options_common.output, .force */
	OPTIONS_JSON = 1 << 1,      /* --json */
	OPTIONS_COMPLETE = 1 << 2,  /* --require-complete */
	OPTIONS_FULL = 1 << 3,      /* --full: whole stacks and paths */
	OPTIONS_TRACES = 1 << 4,    /* no rows: at least one operand, called TRACE */
	OPTIONS_FIRST = 1 << 5,     /* no rows: options end at the first operand, which may have options of its own */
	OPTIONS_SYMBOLS = 1 << 6,   /* --sysroot, --debug-path: for names of native frames */
	OPTIONS_INTERNALS = 1 << 7, /* --internals: frames of the interpreter */
	OPTIONS_SCOPE = 1 << 8,     /* --region, --mark: only what was made within */
	OPTIONS_WARMUP = 1 << 9,    /* --warmup: of growth */
	OPTIONS_STACKS = OPTIONS_SYMBOLS | OPTIONS_INTERNALS, /* commands that show stacks */
	OPTIONS_REPORT = OPTIONS_OUTPUT | OPTIONS_JSON | OPTIONS_COMPLETE | OPTIONS_TRACES,
};

struct options_common {
	const char *output; /* NULL: stdout */
	bool force;
	bool json;
	bool require_complete;
	bool full;
	bool internals;
	const char *sysroot;       /* NULL: / */
	const char *debug_path;    /* "DIR:DIR"; NULL: none but the system's */
	const char *region, *mark; /* labels; NULL: all */
	uint64_t warmup;           /* marks or windows; 0: a quarter of them */
	uint64_t since;            /* place in the file; see struct trace_options */
	char **operands;           /* borrowed from argv, which options_parse() may reorder */
	int n_operands;
};

struct option_page {
	const char *name;              /* of the command */
	const char *summary;           /* what it answers, one line, for `pytrace --help` */
	const char *operands;          /* "TRACE..." or "-- COMMAND [ARGUMENT...]" */
	const char *details;           /* paragraphs, between empty lines; wrapped by the printer; may be NULL */
	const struct option_row *rows; /* own options; NULL: none */
	const struct option_example *examples;
	unsigned groups; /* OPTIONS_* */
};

enum options_result {
	OPTIONS_GO,    /* parsed: go on */
	OPTIONS_DONE,  /* --help was printed: exit with 0 */
	OPTIONS_WRONG, /* a message was printed: exit with 2 */
};

/* Parses argv[1..argc) by the page's tables into `own` (the page's rows) and `common` (the groups' rows). Both must
 * hold their defaults before. */
enum options_result options_parse(const struct option_page *page, void *own, struct options_common *common, int argc,
				  char **argv);

/* Prints the help text of a command. */
void options_help(const struct option_page *page, FILE *f);

/* The word of words[0..n) that `word` was probably meant to be, or NULL when none is near. */
const char *options_nearest(const char *word, const char *const words[], size_t n);

/* "64K", "1.5MiB", "4096" into bytes. False when it is no size or does not fit. */
bool options_size(const char *text, uint64_t *ret_bytes);

/* Calls fn for each row that a page takes, its own first. For help texts and manual pages. */
void options_each(const struct option_page *page, void (*fn)(const struct option_row *row, void *arg), void *arg);
