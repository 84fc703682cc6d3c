/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow: chains to one object that have nothing in common (private to heap/)
 *
 * Theory. As many disjoint chains as there can be are a maximal flow from the object, backwards along references, to
 * where chains start, when each object between lets one chain through (Menger). A search in breadth finds one more
 * chain at a time, by taking steps of earlier ones back where that helps. Modules, and their dicts, let any number
 * through: a chain that gets there has arrived. Memory: 10 bytes an object for the reversed graph, 8 more for what a
 * search touches; made once for any number of objects.
 */
#pragma once
#include "analyzer/heap/parts.h"
#include "analyzer/heap/paths.h"

/* How an object was found by paths_find(). */
enum paths_how {
	PATHS_NOT,
	PATHS_BY_EDGE, /* by: the edge */
	PATHS_BY_ROOT, /* by: the root edge */
	PATHS_MODULE,
	PATHS_BY_C,
};

void paths_flow_free(struct paths_flow *f);
