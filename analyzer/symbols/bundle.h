/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle: answers of symbols/ in a file, for a machine that does not have the modules
 *
 * What:  for modules by path and build id, the frames at addresses that somebody asked for; lines of sources.
 * Form:  FORMAT.md, "Bundles of symbols".
 * Trust: none: checksums first, then every number is held against its bounds once, at opening.
 * Who:   symbols.c reads and writes; `pytrace bundle` decides what is asked for.
 */
#pragma once
#include <stdio.h>
#include "analyzer/symbols/object.h"

struct bundle;

/* Reads a bundle. NULL when there is none, or when it is of no use: then a sentence is in *ret_warning (to free). */
struct bundle *bundle_open(const char *file, char **ret_warning);
void bundle_close(struct bundle *b);

enum { BUNDLE_NONE = -1 };
/* The number of a module in the bundle, or BUNDLE_NONE. */
int bundle_module(const struct bundle *b, const struct symbols_module *m);
enum symbols_kind bundle_kind(const struct bundle *b, int module);
/* Whether any of its frames has a line. */
bool bundle_has_lines(const struct bundle *b, int module);
/* The frames at an address: false when they were not asked for. Only function (as object_find() has it), file, line,
 * column and inlined are set; texts live as long as the bundle. */
bool bundle_find(const struct bundle *b, int module, uint64_t address, struct object_frames *ret);

/* The text of a line of a source file, NULL when the bundle does not have it. Whether the file was younger than the
 * trace in *ret_changed. Borrowed. */
const char *bundle_source(const struct bundle *b, const char *file, uint32_t line, bool *ret_changed);

struct bundle_writer;
struct bundle_writer *bundle_writer_new(void);
/* Adds a module; then, in any order, its addresses. A frame's name is its `linkage`. */
void bundle_writer_module(struct bundle_writer *w, const struct symbols_module *m, enum symbols_kind kind);
void bundle_writer_address(struct bundle_writer *w, uint64_t address, const struct symbol *frames, size_t n);
/* Each line of a file once. */
void bundle_writer_source(struct bundle_writer *w, const char *file, uint32_t line, const char *text, bool changed);
/* Writes all and frees the writer. Returns the bytes written, 0 when that failed (errno). */
size_t bundle_writer_finish(struct bundle_writer *w, FILE *to);
