/* SPDX-License-Identifier: Apache-2.0 */
/* refs_balance: the part of `pytrace refs` that says who did not give back what he took */
#pragma once
#include "analyzer/commands/refs.h"
#include "analyzer/counts/balance.h"
#include "analyzer/report/owner_places.h"

struct refs_balance {
	struct owner_names names;
	struct owners owners;
	struct balance balance;
};

/* When the trace was replayed. Freed with refs_balance_free(); NULL is fine there. */
struct refs_balance *refs_balance_make(struct refs_report *x);
void refs_balance_free(struct refs_balance *b);

/* The list `balance` of DESIGN 2.5, worst first. */
json_t *refs_balance_json(struct refs_report *x, const struct refs_balance *b);
void refs_balance_print(struct report *r, struct refs_report *x, const struct refs_balance *b);

/* --tree: the balance tree, for people and as a list. */
void refs_tree_print(struct report *r, struct refs_report *x, const struct refs_balance *b);
json_t *refs_tree_json(struct refs_report *x, const struct refs_balance *b);
