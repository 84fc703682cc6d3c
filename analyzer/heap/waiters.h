/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiters: the frames of threads that have an object of threading's
 *
 * Theory. What a thread's frames hold goes when the thread ends: it is the thread that is kept, and its object, a
 * threading.Thread, tells by whom. In a program with a few threads a local of one says more to people than the table of
 * all threads. Where there are more than a pool has (a thread for each job, which never ends), they are what there is
 * more and more of, and what hangs on their frames hangs on them.
 *
 * What:  each such thread's frames, as roots of the snapshot, and its object: the `self` of Thread._bootstrap(), where
 *        its stack begins. The main thread, and those that C code or _thread started, have none.
 */
#pragma once
#include "analyzer/heap/heap.h"

struct waiter {
	uint32_t first, n; /* of heap.roots: its frames, the innermost first */
	object_id object;
};
struct waiters {
	ARRAY(struct waiter) at;
};

/* Lists them, where there are many; else none. waiters_free() in any case. */
void waiters_list(struct waiters *w, const struct heap *h);
void waiters_free(struct waiters *w);
/* The one in whose frames this reference lies, an index in heap.root_targets; NULL. */
const struct waiter *waiters_find(const struct waiters *w, const struct heap *h, uint32_t edge);
