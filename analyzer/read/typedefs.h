/* SPDX-License-Identifier: Apache-2.0 */
/*
 * typedefs: the types of a trace: what its TYPE definitions say
 *
 * Trust: ids and bytes come from the file. An id that was not defined is type 0, one out of reason is not taken: the
 *        table of ids grows with what is defined, not with the greatest id named.
 * Owner: struct defs.
 */
#pragma once
#include "formats/event.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/strings.h"

enum { TYPEDEF_UNKNOWN = 0 }; /* index of "not known" */

struct typedef_row {
	string_id name;
	uint32_t flags; /* PT_TYPE_ */
	uint32_t basic_bytes, item_bytes, before_bytes;
};

struct typedefs {
	ARRAY(struct typedef_row) at; /* [0] is unknown */
	uint32_t *index_of;           /* by id, below n_ids */
	uint32_t n_ids;
	struct map loading; /* id to index, until typedefs_finish() */
	uint64_t max_id;
};

void typedefs_init(struct typedefs *t);
/* Takes in a TYPE definition. Whether it made sense. The same id may come twice: the last one holds. */
bool typedefs_add(struct typedefs *t, struct strings *strings, const struct pt_def *def);
void typedefs_finish(struct typedefs *t);
void typedefs_free(struct typedefs *t);

/* The row of the type that an event names. */
static inline uint32_t typedefs_find(const struct typedefs *t, uint64_t id)
{
	return id < t->n_ids ? t->index_of[id] : TYPEDEF_UNKNOWN;
}
