/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: a snapshot of a trace as commands ask for it: its heap, the blocks of its objects, and what follows from both
 *
 * What:  chooses the snapshot, loads it before the replay, joins it with the live blocks during the replay, and
 *        computes what is wanted afterwards, each once. The heading that all reports on a snapshot share.
 * How:   view_load() when the trace is open (&v->join.model is to hear of the replay), view_want() after it.
 * Owner: views own all that they compute; the table of places, and its trace, must live longer.
 */
#pragma once
#include "analyzer/places/place.h"
#include "analyzer/heap/dominators.h"
#include "analyzer/heap/garbage.h"
#include "analyzer/heap/join.h"
#include "analyzer/heap/paths.h"
#include "analyzer/models/cycles.h"

enum {
	VIEW_SURPLUS = 1 << 0,
	VIEW_GARBAGE = 1 << 1,
	VIEW_DOMINATORS = 1 << 2, /* takes SURPLUS along */
	VIEW_PATHS = 1 << 3,      /* likewise */
	VIEW_MODULES = 1 << 4,    /* .module_of */
};

struct view {
	struct place_table *places;      /* of the trace */
	struct snapshots list;           /* of the trace */
	const struct snapshot *snapshot; /* in the list; NULL: the trace has none, and nothing below is filled */
	struct heap heap;
	struct join join;
	int32_t *surplus;
	struct garbage garbage;
	struct dominators dominators;
	struct paths paths;
	struct map module_of; /* the dict of a module's globals to the module: both object_id */
	unsigned has;         /* VIEW_* */
	bool loaded;
	bool settled; /* private: heap/made.h was here */
};

/* Lists the snapshots of an opened trace, chooses and loads one. view_free() in any case. */
void view_load(struct view *v, struct place_table *places, uint64_t number);
/* As a view on a heap that is loaded and joined already: takes both over. */
void view_adopt(struct view *v, struct place_table *places, struct cycles *from);
/* Computes what is not there yet. After the replay. */
void view_want(struct view *v, unsigned wants);
void view_free(struct view *v);

/* ---- what is known of an object ---- */

/* The site of the block that it lies in; NODE_UNKNOWN when it lies in none that is known. */
node_id view_site(struct view *v, object_id o);
/* "app.py:12"; "" when it is not known, or no Python code made it. Written into buf, which is returned. */
char *view_where(struct view *v, object_id o, bool full, char *buf, size_t cap);
/* The site as DESIGN 2.5 has it; null when it is not known. */
json_t *view_site_json(struct view *v, object_id o);

/* The object's entries, when it is a container: items of a list, keys of a dict. -1: it is none. */
int64_t view_entries(const struct view *v, object_id o);
/* "dict, 6,138 entries", "app.Session". Written into buf, which is returned. */
char *view_describe(const struct view *v, object_id o, char *buf, size_t cap);

/* ---- the heading ---- */

/* "Snapshot 2 (exit) at 1.24 s: 12,345 objects, ...", with what is missing in it; or why there is none. */
void view_heading(const struct view *v, const struct output *o);
/* {id, t_s, reason, objects, edges, bytes, complete, missed, trouble, interned, immortal, static, tracked}; null. */
json_t *view_json(struct view *v);
/* For a trace without a snapshot, or without the one that was asked for: the sentence. */
char *view_missing(const struct view *v, uint64_t number, char *buf, size_t cap);
