/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapped: the mappings of the process as the kernel had them when a snapshot was made, and which pages were resident
 *
 * What:  the AREA records of one snapshot and its FACTs; nothing of its objects is read.
 * Trust: none: areas are sorted, cut where they overlap, and bounded to the address space.
 */
#pragma once
#include "analyzer/read/snapshot.h"

struct mapped_area {
	uint64_t start, end;
	uint64_t resident_bytes; /* of its runs */
	const char *file;        /* a path, "[heap]", "[stack]", "" for anonymous memory */
	unsigned flags;          /* MAPPED_ */
};
enum { MAPPED_READ = 1, MAPPED_WRITE = 2, MAPPED_EXECUTE = 4, MAPPED_SHARED = 8 };

/* Addresses of resident memory, or of the tracer's. */
struct mapped_range {
	uint64_t start, end;
};

struct mapped_fact {
	const char *key;
	uint64_t value;
};

struct mapped {
	uint64_t snapshot;                   /* its number; 0: there is none with areas */
	ARRAY(struct mapped_area) areas;     /* by address */
	ARRAY(struct mapped_range) resident; /* by address */
	ARRAY(struct mapped_range) tracer;   /* the tracer's own memory, in no order; may overlap */
	ARRAY(struct mapped_fact) facts;     /* that stand before the first object, in their order */
	struct arena texts;
};

/* Reads them. Never fails: what is damaged is missing. mapped_free() in any case. */
void mapped_load(struct mapped *m, const struct trace *t, const struct snapshot *s);
void mapped_free(struct mapped *m);
/* The area that addr lies in, or NULL. */
const struct mapped_area *mapped_find(const struct mapped *m, uint64_t addr);
/* The value of a fact; false when there is none. */
bool mapped_fact(const struct mapped *m, const char *key, uint64_t *ret_value);
