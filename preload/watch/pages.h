/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages: blocks of the OBJ domain with the object's head on a page of its own (means_pages, means.h)
 *
 * What:  hooks/pymem.c asks here for the memory of an object that is to be watched, when the means is `pages`. Such a
 *        block is ours until it is given back; its head may be protected, the rest never is.
 * Who:   hooks/pymem.c, with objects_wanted & OBJECTS_PAGES, which is set before the first such block and stays; any
 * thread. Errors: none but "no": then the block comes from the allocator below as ever.
 */
#pragma once
#include "preload/py/py.h"

#include <stddef.h>

/* A block of `size` bytes, zeroed if `zero`, in which the object begins `before` bytes behind the start. The allocator
 * below gives one, too, that is kept for it, so that its figures are as they would be. NULL: take the ordinary way. */
void *pages_malloc(const struct py_allocator *below, size_t size, bool zero, size_t before);
/* Whether p is such a block. */
bool pages_owns(const void *p);
/* What the allocator below would do to a block that pages_owns(). The new block of realloc may be ours, too, or its
 * own. */
void pages_free(const struct py_allocator *below, void *p);
void *pages_realloc(const struct py_allocator *below, void *p, size_t size);

/* In a child whose memory is its own, the copy that writes a snapshot included: every page can be written, nothing is
 * watched. Any number of times. */
void pages_open(void);
