/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format: numbers and names as people read them
 *
 * The results are small structs by value, so that `format_bytes(n).text` can stand in a printf argument; the text lives
 * until the end of that full expression. Everything is ASCII but for what names themselves hold.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct format_text {
	char text[64];
};

struct format_text format_bytes(uint64_t bytes);                  /* "312 B", "4.2 KiB", "1.50 GiB" */
struct format_text format_bytes_signed(int64_t bytes);            /* "+4.2 KiB" */
struct format_text format_rate(double bytes_per_s);               /* "4.2 KiB/s" */
struct format_text format_count(uint64_t n);                      /* "1,234,567" */
struct format_text format_seconds(double s);                      /* "350 ms", "1.24 s", "12 min 3 s", "2 h 5 min" */
struct format_text format_percent(uint64_t part, uint64_t whole); /* "12.5%"; "-" of nothing */
struct format_text format_plural(uint64_t n, const char *one, const char *many); /* "1 block", "2,000 blocks" */

/* Copies text for a terminal or a report: control characters as \xNN, bytes that are no UTF-8 as U+FFFD. A trace may
 * hold any bytes as names. Truncates at a character's border. Returns `out`. */
char *format_printable(char *out, size_t cap, const char *text);

/* Columns that UTF-8 text takes: one per code point. */
size_t format_width(const char *text);

/* Writes text in at most `width` columns: what is too long loses its middle, so that both the start of a path and its
 * file name stay. */
void format_elide(FILE *f, const char *text, size_t width);

/* Prints paragraphs wrapped at `width`, each line after `indent` spaces; the cursor stands in `column` now. Lines that
 * start with a space are left alone. */
void format_wrapped(FILE *f, const char *text, unsigned column, unsigned indent, unsigned width);
