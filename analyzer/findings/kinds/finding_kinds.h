/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_kinds: the makers of findings that are not on growth, and what is special to each of them
 *
 * Makers: each looks at one trace and pushes its findings to ret[0..*n), which has room for as many as said. What of
 * the live blocks it takes it claims (claims.h), so that growth does not judge them again: they are called in the order
 *        in which they stand here.
 * Words: sentences are written into buf, which is returned; JSON is a new reference.
 */
#pragma once
#include "analyzer/findings/finding.h"

/* ---- native blocks that nobody can reach: finding_native.c ---- */

/* Pushes at most finding_native_most(). */
void finding_native(struct report_trace *t, struct finding *ret, size_t *n);
size_t finding_native_most(const struct report_trace *t);
/* What of the native memory was not searched for lost blocks, a sentence; NULL: all of it was, or there is no snapshot.
 * `state`: by its name. */
const char *finding_native_reservation(const struct report_trace *t);
const char *finding_native_state(const struct report_trace *t);
char *finding_native_why(const struct finding *f, char *buf, size_t cap);
void finding_native_print(const struct output *o, const struct finding *f);
json_t *finding_native_json(const struct finding *f);

/* ---- garbage that stays: finding_cycles.c ---- */

/* Pushes at most as many as there are rows of cycles. Fills t->remains->claimed. */
void finding_cycles(struct report_trace *t, struct finding *ret, size_t *n);

/* ---- references that nobody has: finding_lost.c ---- */

/* Judges the groups of growth of one trace: by group, to be freed; NULL when there is no snapshot. */
struct finding_lost *finding_lost_judge(struct report_trace *t);
/* Makes the findings on objects whose surplus grows while they are few: at most one for each group of the surplus
 * model. `judged`: what finding_lost_judge() said. */
void finding_lost_shared(struct report_trace *t, const struct finding_lost *judged, struct finding *ret, size_t *n);
char *finding_lost_why(const struct finding *f, char *buf, size_t cap);
json_t *finding_lost_json(const struct finding *f);
/* The line that proves it in a second run: "PYTRACE_WATCH='type:app.Foo site:app.py:12'"; "" when the finding is not on
 * references, or nothing is known of the objects. */
char *finding_watch(const struct finding *f, char *buf, size_t cap);
/* The rule for objects of a type made by a stack; either may be unknown ("", NODE_UNKNOWN). "" when both are, or the
 * type is one that all programs are full of. */
char *finding_rule_of(struct report_trace *t, const char *type, node_id node, char *buf, size_t cap);
/* Whether dead objects of the type waited on a free list in this run: the line that made a block may be that of an
 * earlier one. */
bool finding_is_reused(const struct report_trace *t, const char *type);
/* The rule alone: "type:app.Foo site:app.py:12". */
char *finding_rule(const struct finding *f, char *buf, size_t cap);

/* ---- free memory that does not go back: finding_fragments.c ---- */

/* Pushes at most as many as t->fragments has pins. Growth must have been judged. */
void finding_fragments(struct report_trace *t, struct finding *ret, size_t *n);
char *finding_fragments_why(const struct finding *f, char *buf, size_t cap);
/* The run that would settle a doubt. */
const char *finding_fragments_decides(void);
/* Its evidence. */
json_t *finding_fragments_json(const struct finding *f);
/* What allocators keep free by themselves, where it is much: a sentence for each, or nothing; and [{pid, kind, bytes,
 * remedy}]. */
void finding_print_retained(struct report *r);
json_t *finding_retained_json(const struct report *r);
