/* SPDX-License-Identifier: Apache-2.0 */
/* owner_places: the frames that own changes of reference counts (counts/owners.h), as a place table names them */
#pragma once
#include "analyzer/counts/owners.h"
#include "analyzer/places/place.h"

/* The place of one of them. */
const struct place *owner_place(struct place_table *t, struct owner_level at);

/* The table must live as long as what asks for the names. */
struct owner_names owner_places(struct place_table *t);
