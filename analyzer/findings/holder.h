/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holder: the one object that keeps what some stacks made: the cache, the registry, the list
 *
 * What:  of the objects that lie in blocks of these stacks, shortest chains are taken (of a sample); the
 *        holder is the object nearest to them that most chains lead over. Of a linked list it is the head.
 * Who:   findings of growth.
 */
#pragma once
#include "analyzer/views/chain.h"

enum { HOLDER_BELOW = 3 };

struct holder {
	object_id object;
	object_id container; /* the same, or the dict of an instance */
	/* Stacks that made room for more: in the container itself; in most of the containers that it holds, on the way
	 * to what is kept; in most of those that these hold. NODE_UNKNOWN, NODE_EMPTY: not known. */
	node_id adds, adds_below[HOLDER_BELOW];
	struct chain chain;     /* from a root to it */
	uint64_t sampled, held; /* chains taken, and those that lead over it */
	bool bounded;           /* most lead over a container that has a bound, to different entries of it */
};

/* `mine`: by node, whether its blocks are meant, as far as they were made since `from_ns`: what was there before it
 * grew may be held by others, and be left when the rest is gone. False when no object is in such a block, or nothing
 * holds most of them; ret->bounded is filled in even so. holder_free() it. */
bool holder_find(struct holder *ret, struct view *v, const bool *mine, uint64_t from_ns);
void holder_free(struct holder *h);
