/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keepers: which objects native memory holds, as far as words that are their addresses tell
 *
 * Theory. A snapshot lists the words of native memory that are addresses of objects (heap.keepers). Some of them are
 * references that the snapshot has as edges: those of static types, of interpreters and threads, and what an object
 * keeps in a buffer that the tracer did not know to be its own (PT_KEEPER_EDGES says which edges lie outside of their
 * objects). Some are no references: a native struct that belongs to an object has its address, to find back. What is
 * left holds the object, or looks as if it did.
 *
 * Not:   stale words, in memory that is in use and not written yet, look like others: one says little, most of many
 *        objects say something. Addresses that are tagged, XORed, or lead into the object are not seen.
 * Memory: 4 bytes an object.
 */
#pragma once
#include "analyzer/heap/heap.h"

/* By object: the words that hold it. NULL: the snapshot has none, or an older tracer wrote it. The caller frees. */
uint32_t *keepers_words(const struct heap *h);
/* Whether a word of this keeper holds the object, and is not the way back of what the object owns. */
bool keepers_holds(const struct heap *h, const struct heap_keeper *k, object_id o);
