/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strong components and dominators of graphs that are no heaps: small random ones against removing one vertex after the
 * other, large ones (a million vertices, as deep) whose answers are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "analyzer/heap/components.h"
#include "analyzer/heap/dominators.h"

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 11) % n;
}

struct built {
	struct graph g;
	uint32_t *first, *to, n_edges;
};

static struct built build(uint32_t n, uint32_t n_edges)
{
	struct built b = { { n, NULL, NULL }, mem_zero((size_t)n + 1, 4), mem_alloc(n_edges * 4u), 0 };

	b.g.first = b.first;
	b.g.to = b.to;
	return b;
}

static void link_to(struct built *b, uint32_t from, uint32_t to)
{
	b->to[b->n_edges++] = to;
	for (uint32_t v = from + 1; v <= from + 1; v++)
		b->first[v] = b->n_edges;
}

static void free_built(struct built *b)
{
	free(b->first);
	free(b->to);
}

/* a > b, c; b > d; c > d; d is the a of the next: the dominator of each d is its a. */
static void a_chain_of_diamonds(void **state)
{
	enum { N = 300000 };
	struct built b = build(3 * N + 1, 4 * N);
	uint32_t *idom = mem_alloc((3 * N + 1) * sizeof *idom);

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		link_to(&b, 3 * i, 3 * i + 1);
		link_to(&b, 3 * i, 3 * i + 2);
		link_to(&b, 3 * i + 1, 3 * i + 3);
		link_to(&b, 3 * i + 2, 3 * i + 3);
	}
	b.first[3 * N + 1] = b.n_edges;
	dominators_of_graph(&b.g, idom);
	assert_int_equal(idom[0], 0);
	for (uint32_t v = 1; v <= 3 * N; v++)
		assert_int_equal(idom[v], (v - 1) / 3 * 3);
	assert_int_equal(components_find(&b.g, idom), 3 * N + 1);
	for (uint32_t v = 0; v < 3 * N; v++)
		assert_true(idom[v] > idom[3 * N]);
	free(idom);
	free_built(&b);
}

/* Rings of growing size, each leading into the next: a component is a ring, and greater than those that it reaches. */
static void rings_that_lead_to_rings(void **state)
{
	enum { RINGS = 1400 };
	uint32_t n = RINGS * (RINGS + 1) / 2, v = 0;
	struct built b = build(n, n + RINGS);
	uint32_t *component = mem_alloc(n * sizeof *component);

	(void)state;
	for (uint32_t size = 1; size <= RINGS; size++)
		for (uint32_t i = 0; i < size; i++, v++) {
			link_to(&b, v, i + 1 < size ? v + 1 : v - i);
			if (i + 1 == size && size < RINGS)
				link_to(&b, v, v + 1);
		}
	assert_int_equal(components_find(&b.g, component), RINGS);
	v = 0;
	for (uint32_t size = 1; size <= RINGS; size++)
		for (uint32_t i = 0; i < size; i++, v++)
			assert_int_equal(component[v], RINGS - size);
	free(component);
	free_built(&b);
}

/* One ring through everything, and chords that lead back: depth of a million, and ways to compress. */
static void one_deep_ring(void **state)
{
	enum { N = 1000000 };
	struct built b = build(N, 2 * N);
	uint32_t *got = mem_alloc(N * sizeof *got);

	(void)state;
	for (uint32_t v = 0; v < N; v++) {
		link_to(&b, v, (v + 1) % N);
		if (v % 3 == 2)
			link_to(&b, v, v / 2);
	}
	assert_int_equal(components_find(&b.g, got), 1);
	dominators_of_graph(&b.g, got);
	for (uint32_t v = 1; v < N; v++)
		assert_int_equal(got[v], v - 1);
	free(got);
	free_built(&b);
}

/* Random graphs with a root: against removing one vertex after the other. */
static void random_dominators(void **state)
{
	enum { N = 24 };

	(void)state;
	random_state = 99;
	for (int round = 0; round < 3000; round++) {
		uint32_t n = 2 + below(N - 2), idom[N], more = 1 + below(3);
		struct built b = build(n, n * 4);
		bool reached[N + 1][N] = { { 0 } }; /* [n]: nothing removed */

		for (uint32_t v = 0; v < n; v++) {
			b.first[v] = b.n_edges;
			for (uint32_t k = below(more + 1); k; k--)
				link_to(&b, v, below(n));
			b.first[v + 1] = b.n_edges;
		}
		for (uint32_t without = 0; without <= n; without++) {
			reached[without][0] = without != 0;
			for (uint32_t again = 0; again < n; again++)
				for (uint32_t v = 0; v < n; v++)
					for (uint32_t e = b.first[v]; reached[without][v] && e < b.first[v + 1]; e++)
						reached[without][b.to[e]] |= b.to[e] != without;
		}
		dominators_of_graph(&b.g, idom);
		for (uint32_t v = 1; v < n; v++) {
			assert_int_equal(idom[v] == UINT32_MAX, !reached[n][v]);
			for (uint32_t d = 0; reached[n][v] && d < n; d++) {
				bool above = false; /* d is above v in the tree */

				for (uint32_t a = v; a != 0 && !above;)
					above = (a = idom[a]) == d;
				assert_int_equal(above, d != v && !reached[d][v]);
			}
		}
		free_built(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_dominators),
		cmocka_unit_test(a_chain_of_diamonds),
		cmocka_unit_test(rings_that_lead_to_rings),
		cmocka_unit_test(one_deep_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
