/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance: who did not give back what he took, over the histories of all watched objects
 *
 * Theory. In a history that balances every take has its give (pairs.h). What is out of balance is told by how an object
 * ended: one that died had as many takes as gives. Of one that lives, a snapshot says how many references there are;
 *
 *     surplus = its count - the references that exist
 *
 * A surplus above 0 is a take without its give. It is an extension's: those of its takes that no give of the same call
 * (or of what it called) answers, as many as the surplus. When they are more, some of them were handed over (returned,
 * put into a container) and some were lost: then what is known of their lines from objects that leave no choice
 * decides; then how well a later give by Python fits (the line that called, at once); then, within one call, an
 * explicit Py_INCREF before a new reference from a function. When there are fewer, the reference came without a change
 * of the count (an exception that was fetched): the owner is the extension's line inside which Python took it.
 *
 * A surplus below 0 is a give too many: an extension's give that no take of the same call answers, or, when there is
 * none, a give in a call that also handed the reference to a container, which shows in no count; or one take for two
 * such containers.
 *
 * Exact is the surplus of objects that the collector knows. Others (a str, a tuple of such) may be held by a container
 * that no snapshot shows, since it was leaked itself. There Python's own takes that moved to an unknown place explain
 * the surplus before an extension's do.
 *
 * A call that keeps two references to one object keeps one too many: among such takes it is looked for first.
 *
 * Who holds something on purpose is not to be blamed: what is taken while a module is imported; what other calls (a
 * deallocator) give back; one reference to an object that others hold, too. In doubt: undecided.
 *
 * A function that hands out references (a helper, a constructor of C++) is not the owner: when what its line takes is
 * lost for some of its callers and never for others, the callers' lines are the rows.
 *
 * What:  one row for each type and line that takes or gives, the worst first.
 * Memory: 150 bytes a row, 24 a change of an extension's; one history is paired at a time.
 */
#pragma once
#include "analyzer/counts/pairs.h"
#include "analyzer/heap/heap.h"

enum balance_verdict {
	BALANCE_LEAK,      /* takes what it does not give back */
	BALANCE_OVER,      /* gives what it has not */
	BALANCE_UNDECIDED, /* out of balance, but it may hold it on purpose, or too little was seen */
	BALANCE_FINE,
};

/* Who gave what a row took (or took what it gave). */
struct balance_partner {
	struct owner_level at; /* one of those at its line */
	uint8_t how;           /* enum pair_how */
	uint64_t n;
};

enum { BALANCE_PARTNERS = 4 };

struct balance_row {
	uint8_t verdict; /* enum balance_verdict */
	bool direct;     /* by an instruction of its own, at least once */
	bool called;     /* the row's line called Python, or was called, where the reference came to it unseen */
	uint32_t type;   /* index in trace.defs.types */
	struct owner_level owner; /* the frame to show */
	node_id node;             /* stack of a change, one of those to blame when there are */
	uint64_t takes, gives;
	uint64_t objects;                /* that it changed */
	uint64_t how[PAIR_HOWS];         /* of takes and gives: how many have found what kind of mate */
	uint64_t leaked, leaked_objects; /* takes without a give, objects that hold them */
	uint64_t over, over_objects;     /* gives without a take, takes that were handed over twice */
	uint64_t guessed;                /* of `leaked`: without a snapshot that says what references exist */
	uint64_t alone;                  /* of leaked_objects: nothing else refers to them */
	uint64_t most;                   /* of `leaked`: to one object */
	uint64_t twice;             /* of `leaked`: its call took another one of the same object, and gave neither */
	uint64_t first_ns, last_ns; /* of what is leaked or over */
	uint32_t example;           /* index in histories.at of an object out of balance; UINT32_MAX */
	struct balance_partner partners[BALANCE_PARTNERS]; /* most first; n 0: no more */
};

struct balance {
	const struct histories *histories;
	const struct owners *owners;
	ARRAY(struct balance_row) rows; /* by verdict, then by how much is out of balance */
	uint64_t objects;               /* watched */
	uint64_t died, alive;           /* of them */
	uint64_t judged;                /* alive ones of which the surplus is known */
	uint64_t surplus;               /* of all of them, those above 0 */
	uint64_t unexplained;           /* of it: no extension's take fits */
	uint64_t missing;               /* references that exist and are not counted */
};

/* heap: of the last snapshot; NULL: there is none. owners: made of the same trace. All live as long. */
void balance_make(struct balance *b, const struct histories *h, const struct owners *o, const struct heap *heap);
void balance_free(struct balance *b);

/* For JSON: "leak", "over", "undecided", "balanced". Static. */
const char *balance_verdict_name(enum balance_verdict v);

/* The place of the row's owner: "bugs.c:57 in on_error". Written into buf, which is returned. */
const char *balance_where(const struct balance *b, const struct balance_row *r, char *buf, size_t cap);

/* What the verdict rests on, one or two sentences, for people: "Taken 40 times at bugs.c:57 in on_error, given back 30
 * times at bugs.c:61 in on_error. 10 objects still hold it." Written into buf, which is returned. */
const char *balance_evidence(const struct balance *b, const struct balance_row *r, char *buf, size_t cap);
