/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_list_parts: the steps in which a list of findings is made. Private to this room
 *
 * finding_list_init() has their order: groups join by who made them, are weighed, doubted as a whole, joined by what
 * the other kinds found; then holders are looked for, and what they hold comes together.
 */
#pragma once
#include "analyzer/findings/list/finding_list.h"

/* ---- finding_join.c ---- */

/* In the order of the list. */
void finding_join_sort(struct finding_list *l);
/* Groups of one function with its callers, and what is too little to be found by itself beside them. */
void finding_join_groups(struct finding_list *l);
/* What stays without enough evidence of its own, beside what has it, made by the same function. */
void finding_join_remainders(struct finding_list *l);
/* What grew in step with garbage, or with what a container holds, unless somebody else holds it. After the holders were
 * looked for. */
void finding_join_companions(struct finding_list *l);
/* The same finding of other processes. */
void finding_join_twins(struct finding_list *l);

/* ---- finding_held.c ---- */

/* Brings together what one container holds, and blames the line that adds to it. After the holders were looked for. */
void finding_join_held(struct finding_list *l, const struct report *r);
/* Shows the stack of the line that grew most after the warm-up, and blames it. */
void finding_look_at_worst(struct finding *f);

/* ---- doubts on growth, which look at a whole finding: finding_doubts.c ---- */

/* What it was before it takes in what has no evidence of its own. */
void finding_doubts_note(struct finding_list *l);
/* What it is after that. */
void finding_doubts_judge(struct finding_list *l);
/* Once its holder is known. */
void finding_doubts_holder(struct finding_list *l);
