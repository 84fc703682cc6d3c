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

#define ARRAY(type)            \
	struct {               \
		type *at;      \
		size_t n, cap; \
	}

#define array_reserve(a, want)                                                                          \
	do {                                                                                            \
		if ((a)->cap < (want)) {                                                                \
			(a)->cap = (want) > (a)->cap + (a)->cap / 2 ? (want) : (a)->cap + (a)->cap / 2; \
			(a)->at = mem_resize((a)->at, (a)->cap, sizeof *(a)->at);                       \
		}                                                                                       \
	} while (0)

/* A pointer to one new element at the end; its content is undefined. */
#define array_push(a)                                                                             \
	({                                                                                        \
		if ((a)->n == (a)->cap)                                                           \
			array_reserve(a, (a)->cap ? (a)->cap * 2 : (size_t)16);                   \
		&(a)->at[(a)->n++];                                                               \
	})

#define array_free(a)                    \
	do {                             \
		free((a)->at);           \
		(a)->at = NULL;          \
		(a)->n = (a)->cap = 0;   \
	} while (0)
