/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: what a history is without its temporaries: the net effect of each line
 *
 * Why:   an expression pushes objects on the interpreter's stack, hands them to calls, and drops them again: `b = a` at
 *        module level is +1 (pushed), +1 (the dict), -1 (popped), and which of these there are differs from version to
 *        version. What people mean is the line: +1.
 * Rule:  within one thread, the changes that one activation of a line makes are summed up. An activation is a line of
 *        one frame (the line's function, called from the same lines) from its first instruction on. It is over when
 *        the thread changes the count from anywhere else but a function that the line called, or from an earlier
 *        instruction of the line: a loop came round. So a call's arguments, pushed before and popped after it, go
 *        with the line of the call, and what the called function does in between stands under its own lines.
 *        A statement may span lines: the instruction that goes back to an earlier line while it goes on in the code
 *        (a call below its arguments) belongs to the activation that it goes back from; where the line table has the
 *        end of an instruction's range (3.11 and later), only if the range has that line in it.
 *        A sum of 0 is nothing. What is left stands at the last change of its sign, if possible one that C code of the
 *        activation made and did not undo in the same function.
 *
 * Calls: what the last line of a call takes for its caller, and what the frame of the call gives when it goes, at once,
 *        is nothing: `return data` hands its variable's reference over. What else the frame gives belongs to the
 *        arguments that the caller's line pushed, as long as there are some, then to lines of the call that only bound
 * a variable (`y = x`: one take, by the last instruction but one of the line). Older references that its variables had
 * stand alone, at the return. The tracer tells that a frame goes (PT_COUNT_LEAVES); up to 3.10 it can't, and what the
 * caller's line gives at the call, beyond what it took, is taken for it.
 *
 * Alone: the birth, the count at the start of a watch, changes that were not seen one by one, and those without a stack
 *        are never summed up.
 *
 * Code without Python frames: an activation is one of the innermost native function.
 *
 * Counts: the net changes add up: each one's count is that of the one before plus its delta. It is the object's own
 *        count when no temporary is about. The order is that of the last change of each sum.
 *
 * Memory: 9 bytes a node of the trace, and 72 a net change.
 */
#pragma once
#include "analyzer/counts/histories.h"
#include "analyzer/counts/net_lines.h"

/* Net changes, as history_change: runs as there, `node` names the change that stands for a sum. */
struct net {
	struct history_change *changes;
	size_t n, cap;
};

/* net_free() it. */
void net_make(struct net *ret, struct net_lines *lines, const struct history *h);
void net_free(struct net *n);
