/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks: FRAME, NATIVE and JOIN definitions become nodes, each a frame on top of its caller's node
 *
 * What:  a JOIN's two stacks are interleaved as FORMAT.md says under "JOIN", and equal frames on top of equal stacks
 *        are one node, whatever definitions they came from.
 * Which: frames that say nothing about the program (the interpreter's own, allocators, what starts a thread) are left
 *        out unless all are asked for. What is left out can be told from the module and the frames around it: no
 *        symbols are needed here.
 * Trust: none. Parents are smaller ids, or unknown; interleaving takes a number of steps bounded by the number of
 *        definitions, whatever they say: joins beyond it show their Python stack alone.
 * Who:   defs.c, when all definitions are there.
 */
#pragma once
#include "analyzer/base/array.h"
#include "analyzer/read/modules.h"

/* A node: one frame on top of a stack. Dense numbers. */
typedef uint32_t node_id;
enum { NODE_EMPTY = 0, NODE_UNKNOWN = 1 }; /* no frame was running; the definition is missing */

enum node_kind {
	NODE_PYTHON,
	NODE_NATIVE,
	NODE_CUT, /* native frames are missing here */
};
enum { NODE_EXACT = PT_NATIVE_EXACT, NODE_INTERNAL = 128 }; /* node.flags */

struct node {
	node_id parent; /* the caller, always a smaller number; NODE_EMPTY below the outermost frame */
	union {
		uint32_t code;   /* NODE_PYTHON: index in defs.codes */
		uint32_t module; /* NODE_NATIVE: number in defs.modules */
	};
	uint32_t offset; /* NODE_PYTHON: of the instruction, as the tracer saw it (models/lines.h); PT_OFFSET_NONE */
	uint16_t offset_high; /* NODE_NATIVE: bits 32 to 47 of the offset in the module */
	uint8_t kind;         /* enum node_kind */
	uint8_t flags;        /* NODE_NATIVE: NODE_EXACT, NODE_INTERNAL */
};
_Static_assert(sizeof(struct node) == 16, "nodes are compared as bytes: no holes");

static inline uint64_t node_address(const struct node *n) { return (uint64_t)n->offset_high << 32 | n->offset; }

/* A definition as it stands in the file. */
struct raw_stack {
	uint32_t id;
	uint32_t below;  /* parent; of a JOIN its Python stack */
	uint32_t what;   /* FRAME: id of the code object; NATIVE: of the module; JOIN: its native stack */
	uint32_t offset; /* FRAME, NATIVE */
	uint16_t offset_high;
	uint8_t flags; /* PT_NATIVE_ */
	uint8_t op;    /* PT_OP_FRAME, PT_OP_NATIVE, PT_OP_JOIN */
};

struct stacks {
	ARRAY(struct node) nodes;    /* [NODE_EMPTY], [NODE_UNKNOWN], then frames */
	uint32_t n;                  /* stack ids of events below this are looked up in node_of */
	node_id *node_of;            /* by stack id */
	ARRAY(struct raw_stack) raw; /* by id, once; freed in stacks_finish() unless `keep_raw` */
	bool internals;              /* all frames become nodes */
	bool keep_raw;
	uint64_t n_bad;      /* definitions that made no sense */
	uint64_t n_unmerged; /* joins that show their Python stack alone */
};

/* What a raw definition's `what` means. Called once for each FRAME and NATIVE. */
struct stacks_names {
	uint32_t (*code)(const void *self, uint32_t id); /* index in defs.codes */
	struct modules *modules;                         /* learns which hold an interpreter */
	const void *self;
};

void stacks_init(struct stacks *s);
/* Takes in one definition. Returns false when it makes no sense. */
bool stacks_add(struct stacks *s, const struct pt_def *def);
void stacks_finish(struct stacks *s, const struct stacks_names *names);
void stacks_free(struct stacks *s);
