/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output: where a report goes: the terminal, a pipe, or the file of -o
 *
 * What:  one FILE, whether colour suits it, how wide it is, and the check at the end that everything was written.
 * How:   a file of -o is written beside its final name and renamed when it is whole, so that a report that failed
 *        half-way never takes the place of a good one. Without -f an existing file is refused before any work is done.
 * Colour: only on a terminal, never when NO_COLOR is set or TERM is "dumb".
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>

enum output_style { STYLE_PLAIN, STYLE_TITLE, STYLE_STRONG, STYLE_FAINT, STYLE_BAD, STYLE_GOOD, STYLE_CODE, STYLES };

struct output {
	FILE *file;
	bool colour;
	unsigned width;   /* columns for text, 80 to 160 */
	const char *name; /* of -o; NULL: stdout */
	char *temporary;  /* where it is written until it is whole; NULL: written in place */
};

/* Opens `name` (NULL or "-": stdout). Returns false after a line on stderr when that can't be done. */
bool output_open(struct output *o, const char *name, bool force);

/* Flushes, checks, renames. Returns false after a line on stderr when something was not written (disk full). Writing
 * into a pipe that nobody reads any more is no error: `pytrace sites x | head`. */
bool output_close(struct output *o);

/* Gives up a report that is not whole: what was there before stays. */
void output_abandon(struct output *o);

/* The escape sequence that starts a style, "" when there is no colour. STYLE_PLAIN ends it. */
const char *output_style(const struct output *o, enum output_style style);

/* Prints a section's title, underlined by colour only. */
void output_title(struct output *o, const char *text);
