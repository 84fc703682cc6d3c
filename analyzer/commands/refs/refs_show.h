/* SPDX-License-Identifier: Apache-2.0 */
/* refs_show: what a refs_report looks like: as text and as JSON, and its parts on who is to blame */
#pragma once
#include "analyzer/commands/refs/refs_report.h"

/* All of it. */
void refs_print(struct report *r, struct refs_report *x);
/* The same as keys of an object. */
void refs_json(json_t *o, struct refs_report *x);

/* Who does not give back what he took, worst first; refs_balance.c. The list is `balance` of DESIGN 2.5. */
void refs_balance_print(struct report *r, struct refs_report *x);
json_t *refs_balance_json(struct refs_report *x);

/* --tree: what is taken and given by stack; refs_tree.c. */
void refs_tree_print(struct report *r, struct refs_report *x);
json_t *refs_tree_json(struct refs_report *x);
