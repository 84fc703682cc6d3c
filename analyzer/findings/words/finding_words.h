/* SPDX-License-Identifier: Apache-2.0 */
/* finding_words: what is said of a finding: one sentence, text, JSON. Who: leaks, check, summary; the gate's formats.
 */
#pragma once
#include "analyzer/findings/list/finding_list.h"

/* ---- finding_why.c ---- */

/* One sentence on what the verdict rests on. Written into buf, which is returned. */
char *finding_why(const struct finding *f, char *buf, size_t cap);
/* The run that would settle a doubt. `buf` is for what is not the same for all; it may not be what is returned. */
const char *finding_decides(const struct finding *f, char *buf, size_t cap);

/* ---- finding_marks.c ---- */

/* For finding_why(), of growth that was judged by marks: written into buf. */
void finding_marks_why(const struct finding *f, char *buf, size_t cap);
/* {label, kind, marks, warmup, bytes, blocks, exact}; null when growth was not judged by marks. */
json_t *finding_marks_json(const struct finding *f);

/* ---- finding_json.c ---- */

/* The object of DESIGN 2.3. */
json_t *finding_json(const struct finding *f);
/* Into `o`: what was alive as live_bytes, what was left when the interpreters ended, and peak_bytes. */
void finding_put_alive(const struct report *r, json_t *o);

/* ---- finding_text.c ---- */

/* Prints a finding with its evidence, its line and its stack. */
void finding_print(struct report *r, const struct finding *f, size_t number);

/* Prints where: the frame to look at with the text of its line, and the frame that did it, when that is another. */
void finding_print_place(const struct output *o, const struct finding *f, bool full, unsigned indent);

/* Prints ", pid 71 72". */
void finding_print_pids(const struct output *o, const struct finding *f);

/* A row: bytes, blocks, first, last, where, function. */
void finding_cells(struct report *r, const struct finding *f, struct table *t);
