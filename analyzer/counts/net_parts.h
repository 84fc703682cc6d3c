/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_parts: the net effect of lines in the making. Private to counts/
 *
 * net.c takes the changes of a history one by one, runs of equal ones as few times as will do; net_activations.c sums
 * them up by activations, which leave entries; net_order.c puts these into order.
 */
#pragma once
#include "analyzer/counts/net.h"

enum { NET_STEADY = 3 /* times of a run after which the others should be like it */ };

/* What an activation did to the count, by line of its statement and by function of C. */
struct net_part {
	int32_t line;
	node_id caller; /* of the native function; NODE_EMPTY: the line itself */
	int64_t sum;
	node_id node[2]; /* the last one that gave, took */
	uint64_t key[2]; /* their places among all changes */
	uint64_t ns[2];
	uint8_t flags;
};

/* An activation that goes on. */
struct group {
	uint32_t step;
	uint32_t parts; /* index in work.parts; to the next group's, or the end */
	uint64_t id;
	node_id at; /* the frame when it was seen last: its instruction */
	uint32_t thread;
	uint32_t n; /* changes */
};

/* A line that did nothing but bind a variable: `y = x`. */
struct variable {
	size_t entry;          /* its net change */
	uint32_t parent, code; /* of the activation: as net_step has them */
	node_id caller;        /* frame */
};

/* Activations of a thread, the outermost first. */
struct open_lines {
	uint32_t thread;
	uint64_t last_key; /* of its last change */
	node_id last_take; /* the frame, when the thread's last change was +1 by the line itself; NODE_EMPTY */
	ARRAY(struct group) groups;
	ARRAY(struct net_part) parts;
	ARRAY(struct variable) variables;
};

/* A net change on its way. */
struct entry {
	struct history_change c;
	uint64_t key;
	uint32_t run; /* the entries of a run that comes `times` times; 0: alone */
	bool dropped;
};

struct work {
	struct net_lines *lines;
	struct net *net;
	ARRAY(struct open_lines *) threads;
	ARRAY(struct entry) entries;
	uint64_t key, ids;
	uint32_t runs;
	size_t floor; /* entries before it are done with */
};

static inline int64_t net_clamp(int64_t n) { return n < INT32_MIN ? INT32_MIN : n > INT32_MAX ? INT32_MAX : n; }

/* ---- net_activations.c ---- */

/* A change at its place in the history. */
void net_feed(struct work *w, const struct history_change *c);
/* A net change: `key` is its place among all. */
void net_emit(struct work *w, const struct history_change *c, uint64_t key);
/* Closes the innermost activation of a thread. */
void net_close_group(struct work *w, struct open_lines *o);

/* ---- net_order.c ---- */

/* Entries to w->net. */
void net_order(struct work *w);
