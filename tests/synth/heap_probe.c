/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_probe TRACE: the last snapshot as heap/ sees it, for tests to compare with their own reading.
 *
 *     O address refcount bytes flags surplus state length parent retained type    (numbers in decimal; parent: address,
 * or 0) > address flags name                                                        (an edge; address 0: of no object)
 *     R kind address flags                                                        (an edge of a root)
 *
 * The state is enum garbage_state, the length that of a shortest chain, the parent the dominator.
 */
#include <inttypes.h>
#include <stdio.h>

#include "analyzer/heap/dominators.h"
#include "analyzer/heap/garbage.h"
#include "analyzer/heap/paths.h"

static uint64_t address_of(const struct heap *h, object_id o) { return o == HEAP_NONE ? 0 : h->address[o]; }

static void print_edge(const struct heap *h, uint32_t target, uint32_t label)
{
	printf("> %" PRIu64 " %u %s\n", address_of(h, heap_target(target)), label & 3, heap_text_of(h, label >> 2));
}

static void print_heap(const struct heap *h)
{
	struct dominators d;
	struct garbage g;
	struct paths p;

	garbage_find(&g, h, NULL);
	dominators_find(&d, h, NULL, g.surplus);
	paths_find(&p, h, g.surplus);
	for (object_id o = 0; o < h->n; o++) {
		printf("O %" PRIu64 " %u %" PRIu64 " %u %d %u %u %" PRIu64 " %" PRIu64 " %s\n", h->address[o],
		       h->refcount[o], h->bytes[o], h->flags[o], g.surplus[o], g.state[o], paths_length(&p, o),
		       address_of(h, d.parent[o]), d.retained[o], heap_type_name(h, o));
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
			print_edge(h, h->target[e], h->label[e]);
	}
	for (size_t i = 0; i < h->roots.n; i++)
		for (uint32_t e = h->roots.at[i].first; e < h->roots.at[i].first + h->roots.at[i].n; e++)
			printf("R %u %" PRIu64 " %u\n", h->roots.at[i].kind,
			       address_of(h, heap_target(h->root_targets.at[e])), h->root_labels.at[e] & 3);
	garbage_free(&g);
	dominators_free(&d);
	paths_free(&p);
}

int main(int argc, char **argv)
{
	struct snapshots list;
	struct fault fault;
	struct trace t;
	struct heap h;

	if (argc != 2 || trace_open(&t, argv[1], &fault))
		return 2;
	snapshots_list(&list, &t);
	if (!snapshots_find(&list, 0))
		return 1;
	heap_load(&h, &t, snapshots_find(&list, 0), 0);
	print_heap(&h);
	heap_free(&h);
	snapshots_free(&list);
	trace_close(&t);
	return 0;
}
