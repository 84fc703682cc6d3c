/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths: why is this object alive: chains of references from a root
 *
 * What:  for every object that something holds, a shortest chain; for one object, several chains that share nothing but
 *        where they start and end. Weak references are no links.
 * Start: a frame's variables, a module's globals, threads and interpreters first; then static types and gc.garbage;
 * what is not held by these starts where C code holds it (its count is above the references that exist, or it is
 *        immortal). Modules in sys.modules are starts themselves: a chain says app.cache['u17'], not how the module is
 *        found.
 *        Where threads pile up (waiters.h) what others hold is not told of their frames.
 * How:   one search in breadth, 4 bytes an object. Disjoint chains: augmenting paths over the reversed graph, which is
 *        made once (10 bytes an object).
 */
#pragma once
#include "analyzer/heap/waiters.h"

enum path_start {
	PATH_ROOT,   /* root, root_edge */
	PATH_MODULE, /* the first object is a module of sys.modules */
	PATH_C,      /* C code holds the first object */
	PATH_NONE,   /* nothing holds the target: there is no chain */
};

/* One step: `object`, and the edge that leads from the one before it (HEAP_NONE for the first). */
struct path_step {
	object_id object;
	uint32_t edge;
};
struct path {
	enum path_start start;
	uint32_t root;                 /* PATH_ROOT: index in heap.roots */
	uint32_t root_edge;            /* PATH_ROOT: index in heap.root_targets */
	ARRAY(struct path_step) steps; /* from the start to the target, which is included */
};

struct paths_flow;

struct paths {
	const struct heap *heap;
	uint32_t *by;            /* private: the edge, or root edge, that found the object */
	uint8_t *how;            /* private: what `by` is */
	struct waiters waiters;  /* private: their frames come last */
	struct paths_flow *flow; /* private: the graph reversed, made when it is needed */
};

/* surplus: from garbage_surplus(). One search over the heap. */
void paths_find(struct paths *p, const struct heap *h, const int32_t *surplus);
void paths_free(struct paths *p);

/* Number of objects on a shortest chain to it; 0: nothing holds it. */
uint32_t paths_length(const struct paths *p, object_id o);
/* Whether nothing is known to hold it but C code. */
bool paths_is_of_c(const struct paths *p, object_id o);
/* For each object the last of some objects on its shortest chain, itself included: ret[object] is what `label` has for
 * that one; 0 when there is none. `label`: by object, 0 for those that are not meant. A chain that starts in a frame of
 * one of many threads goes on with that of the thread's object. */
void paths_label(const struct paths *p, const uint8_t *label, uint8_t *ret);
/* A shortest chain to the object. path_free() in any case. */
void paths_to(const struct paths *p, object_id o, struct path *ret);
/* Up to `max` chains to the object, shortest first. They have no object in common but modules, their dicts, the target,
 * and objects that every chain to the target leads over; and there are as many as there can be, below (else above) the
 * nearest of those. That objects hold their class makes no chain but the shortest. Returns how many; path_free() each.
 */
uint32_t paths_disjoint(struct paths *p, object_id o, uint32_t max, struct path *ret);
void path_free(struct path *p);
