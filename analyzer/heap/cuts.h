/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuts: what would be freed if a group went, or one of its edges did (private to heap/)
 *
 * Theory. Freeing is played through by counts, as the interpreter would: an object goes when the last reference to it
 * goes, and takes its own with it. Counts are the references within garbage; of a group's members those within the
 * group, as if what else holds it had gone before. A played release is taken back afterwards, so a group costs what it
 * reaches, times the few edges that are tried: those to members with one reference, best names first, of these those
 * from a younger to an older object, of these the last one made.
 */
#pragma once
#include "analyzer/heap/components.h"
#include "analyzer/heap/parts.h"

struct cuts;

/* bytes, number: by object; number NULL: births are unknown. All is borrowed. */
struct cuts *cuts_new(const struct heap *h, const struct heap_part *p, const uint32_t *group_of, const uint64_t *bytes,
		      const uint64_t *number);
void cuts_free(struct cuts *c);
/* Fills in below, closing and cut of group `index`, whose members are given. */
void cuts_of(struct cuts *c, uint32_t index, struct group *group, const object_id *members);
