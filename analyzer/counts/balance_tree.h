/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance_tree: takes and gives by stack, from the outermost line inwards, for those who want to look themselves
 *
 * Theory. What is taken and given in one call, or in one Python frame, is out of the way first: firm pairs (pairs.h)
 * are counted where both stacks part, and nowhere below. Of the rest each line has what was taken and what was given
 * at it and in what it called. A line where both are equal is in balance with all that lies below: it can be folded.
 * Memory: 80 bytes a line of a stack; one history is paired at a time.
 */
#pragma once
#include "analyzer/counts/pairs.h"

struct balance_node {
	node_id frame;    /* a frame of its line; NODE_EMPTY: the root, or no stack is known */
	uint32_t parent;  /* index; the root is its own */
	uint32_t n_below; /* nodes of its subtree, which follow it */
	uint32_t n_children;
	uint16_t depth;        /* 0: the root */
	uint64_t takes, gives; /* at it and below, without firm pairs */
	uint64_t own;          /* of both, those that it did itself: no line that it called */
	uint64_t pairs;        /* firm ones that part here */
};
static inline int64_t balance_net(const struct balance_node *n) { return (int64_t)(n->takes - n->gives); }

struct balance_tree {
	ARRAY(struct balance_node)
	at; /* [0] is the root; a node before its children, the children with most out of
	     * balance first */
};

/* Of the histories of a type (index in trace.defs.types), or of all: BALANCE_ALL_TYPES. */
#define BALANCE_ALL_TYPES UINT32_MAX
void balance_tree_make(struct balance_tree *t, const struct histories *h, const struct owners *o, uint32_t type);
void balance_tree_free(struct balance_tree *t);
