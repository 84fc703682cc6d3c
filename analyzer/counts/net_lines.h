/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_lines: which line of which call a stack is at, and what the line ends with
 *
 * What:  a step is a line of a frame, called from certain lines: stacks that differ in instructions of the same lines
 * are at the same step. What the last instructions of a line do is told by its line table and, if it can be had, by its
 * text. Who:   net.c. A table for all histories of a trace, filled when asked.
 */
#pragma once
#include "analyzer/models/lines.h"

#define NET_NATIVE UINT32_MAX

/* A line of a frame, called from lines. */
struct net_step {
	uint32_t parent, depth; /* step; 0 is none */
	uint32_t code;          /* index in defs.codes; of native code NET_NATIVE */
	int32_t line;           /* of native code: the caller's node */
};

/* What is known of a trace's nodes, for all its histories. */
struct net_lines {
	const struct defs *defs;
	uint32_t *step_of; /* by node; 0: not looked up yet */
	node_id *frame_of; /* by node: the innermost Python frame; else the node itself */
	uint8_t *ends;     /* by node: what its line does with what it has at its end; 0: not looked up yet */
	ARRAY(struct net_step) steps;
	struct map step_at;

	/* The text of a Python frame's line, from somebody who has it: written into buf, which is returned; NULL: it
	 * can't be had. May be NULL. */
	const char *(*text)(void *self, node_id frame, char *buf, size_t cap);
	void *text_self;
};

void net_lines_init(struct net_lines *l, const struct defs *defs);
void net_lines_free(struct net_lines *l);

static inline const struct node *net_lines_node(const struct net_lines *l, node_id n)
{
	return &l->defs->stacks.nodes.at[n];
}
static inline bool net_lines_is_python(const struct net_lines *l, node_id n)
{
	return n > NODE_UNKNOWN && net_lines_node(l, n)->kind == NODE_PYTHON;
}

/* The frame whose line did it; in code without any Python frame, the native one. */
node_id net_lines_frame(struct net_lines *l, node_id n);
/* The frame that called it; NODE_EMPTY. */
node_id net_lines_up(struct net_lines *l, node_id frame);
/* Of a frame. May move l->steps. */
uint32_t net_lines_step(struct net_lines *l, node_id frame);
uint32_t net_lines_depth(struct net_lines *l, node_id frame);
/* Of its instruction; 0 for native frames. */
uint32_t net_lines_offset(const struct net_lines *l, node_id frame);
struct pt_position net_lines_position(const struct net_lines *l, node_id frame);

/* Whether the frame's instruction takes what its line binds to a variable; what it returns or binds. As far as can be
 * told: without the text of the line, by the number of instructions that follow. */
bool net_lines_binds(struct net_lines *l, node_id frame);
bool net_lines_returns(struct net_lines *l, node_id frame);
/* Whether the text of its line says that it returns something. */
bool net_lines_is_return(struct net_lines *l, node_id frame);
