/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tasks: the asyncio tasks and greenlets of a trace, as far as a report can tell them apart
 *
 * What:  TASK definitions folded: those with a name that the program gave are one row for each name, those without one
 *        ("Task-17", a plain greenlet) are one row for each function that they run. So a service that makes a task for
 *        every request has as many rows as it has kinds of requests.
 * Trust: ids and bytes come from the file: an id that was not defined is task 0, a text is cut at its first zero.
 * Owner: struct defs.
 */
#pragma once
#include "formats/event.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/strings.h"

enum { TASK_NONE = 0 }; /* index of "no task" */

struct task {
	uint8_t kind;       /* enum pt_task; 0: no task */
	string_id name;     /* given by the program; 0: none */
	string_id function; /* that it runs, qualified; 0: not known */
	uint32_t n;         /* tasks folded here; one that the tracer lost sight of may count twice, if it has a name */
};

struct tasks {
	ARRAY(struct task) at; /* [0] is no task */
	struct map index_of;   /* TASK id to index */
	struct map by_key;
	struct map seen; /* made-up name and function: those are one task, however often defined */
};

void tasks_init(struct tasks *t);
/* Takes in a TASK definition. Whether it made sense. The same id may come twice (a ring and the block made from it). */
bool tasks_add(struct tasks *t, struct strings *strings, const struct pt_def *def);
void tasks_free(struct tasks *t);

/* The row of a SWITCH event's task. */
static inline uint32_t tasks_find(const struct tasks *t, uint64_t id)
{
	uint32_t index = id ? map_find(&t->index_of, id) : MAP_NONE;

	return index == MAP_NONE ? TASK_NONE : index;
}
