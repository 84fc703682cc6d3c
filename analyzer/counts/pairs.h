/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs: which change of a count gave back what which other one took, in one history
 *
 * Theory. Counts do not say whose reference was given; owners do. Pairs are made in rounds, those that are most certain
 * first, and in each the last one taken is the first one given:
 *
 *     PAIR_CALL      inside one call: of a function that the extension called, of the extension's function
 *     PAIR_PYTHON    inside one Python frame: a value that was pushed and popped, a variable
 *     PAIR_RETURNED  a Python function (or the raising of an exception) left it to the extension that had called it
 *   these are firm; what is left over went from one owner to another, and is a guess:
 *     PAIR_DROPPED   an extension's function left it to the Python line that had called it, which gave it
 *     PAIR_HOLDER    taken and given by Python at different places: a container, an attribute
 *     PAIR_STORED    an extension took it in one call and gave it in another one: its structure held it
 *     PAIR_LATER     an extension took it, Python gave it in the end: handed over, to a caller or a container
 *     PAIR_TAKEN     Python took it, an extension gave it: handed over the other way
 *
 * Every give of a history that was watched from birth finds a take. What stays without a give at the end is as many as
 * the count.
 */
#pragma once
#include "analyzer/counts/histories.h"
#include "analyzer/counts/owners.h"

enum pair_how {
	PAIR_NONE, /* no mate */
	PAIR_CALL,
	PAIR_PYTHON,
	PAIR_RETURNED,
	PAIR_DROPPED,
	PAIR_HOLDER,
	PAIR_STORED,
	PAIR_LATER,
	PAIR_TAKEN,
	PAIR_HOWS
};
static inline bool pair_is_firm(enum pair_how how) { return how != PAIR_NONE && how <= PAIR_RETURNED; }

#define PAIR_ALONE UINT32_MAX

/* A reference taken or given: a change by n is n of them. */
struct pair_change {
	uint64_t ns;
	node_id node;
	uint32_t mate; /* index of the other one; PAIR_ALONE */
	uint32_t of;   /* index of the change, counted as history_replay() hands them out */
	uint8_t how;   /* enum pair_how */
	bool take;
};

struct pairs {
	ARRAY(struct pair_change) at; /* in their order */
	uint64_t n_cut;               /* changes that are not in it: there were too many */
};

void pairs_make(struct pairs *p, const struct history *h, const struct owners *o);
void pairs_free(struct pairs *p);

/* "call", "python", "returned", "dropped", "holder", "stored", "later", "taken"; "none". Static. */
const char *pair_how_name(enum pair_how how);
