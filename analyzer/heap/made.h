/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made: which line made an object whose block is older than it is
 *
 * Theory. CPython keeps the blocks of dead lists, dicts, tuples and some others for the next object of the type, so the
 * stack that allocated the block is that of some earlier object. (PYTRACE_LIVES records such rebirths where it can be
 * had.) What shows it:
 *
 *   - a list's items, a dict's table: its own buffer is made when something is first put in. When the block and the
 *     buffer were allocated close to each other, the block is as new; otherwise the buffer's stack is nearer the truth,
 *     unless the buffer was moved since.
 *   - a tuple can hold nothing that was made after it: when it seems to, its block is an old one, and what made it is
 *     not known.
 */
#pragma once
#include "analyzer/heap/join.h"

/* Sets join.node of such objects: to the buffer's, or to NODE_UNKNOWN. After the join. */
void made_settle(struct join *j);
