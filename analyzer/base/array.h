/* SPDX-License-Identifier: Apache-2.0 */
/*
 * array: growable arrays of any type
 *
 *     ARRAY(struct site) sites = {0};
 *     *array_push(&sites) = (struct site){...};
 *     for (size_t i = 0; i < sites.n; i++) use(&sites.at[i]);
 *     array_free(&sites);
 *
 * Elements move when the array grows: keep indexes, not pointers.
 */
#pragma once
#include "analyzer/base/mem.h"

#include <stdlib.h>

#define ARRAY(...)               \
	struct {                 \
		__VA_ARGS__ *at; \
		size_t n, cap;   \
	}

#define array_reserve(a, want)                                                                          \
	do {                                                                                            \
		if ((a)->cap < (want)) {                                                                \
			(a)->cap = (want) > (a)->cap + (a)->cap / 2 ? (want) : (a)->cap + (a)->cap / 2; \
			(a)->at = mem_resize((a)->at, (a)->cap, sizeof *(a)->at);                       \
		}                                                                                       \
	} while (0)

/* A pointer to one new element at the end; its content is undefined. */
#define array_push(a) \
	((a)->at = (a)->n < (a)->cap ? (a)->at : array_more((a)->at, &(a)->cap, sizeof *(a)->at), &(a)->at[(a)->n++])

/* For array_push(): twice the room. */
static inline void *array_more(void *at, size_t *cap, size_t bytes_each)
{
	*cap = *cap ? *cap * 2 : 16;
	return mem_resize(at, *cap, bytes_each);
}

#define array_free(a)                  \
	do {                           \
		free((a)->at);         \
		(a)->at = NULL;        \
		(a)->n = (a)->cap = 0; \
	} while (0)
