/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target: objects as people name them on a command line: a type, where they were made, an address
 *
 * Types: a full name, or the last parts of it: "Session" and "models.Session" are app.models.Session; "" and "*" are
 * all. Places: FILE:LINE or FILE; FILE may be the last parts of a path.
 */
#pragma once
#include "analyzer/places/place.h"

struct target {
	uint64_t address; /* 0: a type */
	const char *type; /* its name, or the end of it */
	size_t type_len;
	const char *file; /* NULL: any line */
	size_t file_len;
	long line; /* 0: any line of the file */
};

/* "app.Session", "Session@app.py:12", "0x7f00..": borrows the text. */
void target_parse(struct target *t, const char *text);
/* "app.py:12", "app.py": sets the place. */
void target_parse_site(struct target *t, const char *text);

/* Whether a type of this name is meant. */
bool target_is_type(const struct target *t, const char *name);
/* Whether what was made at this site is meant. */
bool target_is_site(const struct target *t, struct place_table *places, node_id site);
