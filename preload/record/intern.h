/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern: dense ids for what events refer to, each defined in the trace before its first use
 *
 * What:  (parent stack, code, offset) → stack id, the same for native frames and for joined stacks, and records of
 *        definition.
 * How:   one insert-only hash table for the process. Look-ups and inserts take no lock; growing it takes one, for
 *        the time of a copy. Two threads that meet the same new key at once may give it two ids: the reader folds
 *        equal definitions, so that is harmless, and it is what makes the table free of locks.
 * Who:   preload/py. Any thread inside its own hook (thread->busy set).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread; /* preload/record/thread.h */

/* The id of the stack that has `code` (or PT_CODE_ENTRY) at `offset` on top of `parent` (0: nothing below). Defines it
 * when new. Returns 0 when the tracer is out of memory (counted as PT_LOST_MEMORY). Cost: one probe when known. */
uint32_t intern_frame(struct thread *t, uint32_t parent, uint32_t code, uint32_t offset);

/*
 * Native stacks are found by `path`, a hash of their addresses; what a hash of a whole stack makes equal is equal.
 * intern_known: the id of the stack of that path joined with the Python stack, or alone (python 0); 0: not known yet.
 * intern_native: that of a frame of machine code on top of `parent`; `place` is what the trace says of it.
 * intern_join: of a Python stack and a native stack as one; neither is 0.
 */
struct intern_place {
	uint32_t module;
	uint64_t offset; /* 48 bits */
	uint16_t flags;  /* PT_NATIVE_ */
};
uint32_t intern_known(uint64_t path, uint32_t python);
/* Fetches what intern_known() will look at: several such waits for memory at once cost as much as one. */
void intern_fetch(uint64_t path, uint32_t python);
uint32_t intern_native(struct thread *t, uint64_t path, uint32_t parent, struct intern_place place);
uint32_t intern_join(struct thread *t, uint64_t path, uint32_t python, uint32_t native);

/* When it is set: called with each new definition (FRAME, NATIVE, JOIN) and its words, before its id is given to
 * anybody. At DEPTH_OWN; more than one thread at once. Set before the first event. */
extern void (*intern_told)(uint8_t op, uint32_t id, const uint32_t words[4]);

/* A number for a new code object, dense from 1. */
uint32_t intern_new_code(void);

struct piece {
	const void *data;
	size_t bytes;
};
/* Writes a BYTES definition made of pieces, in order. At most DEFINE_MAX bytes in all; longer ones are the caller's to
 * cut (see CODE_TAIL). Any memory may be passed; it is copied before the call returns. */
#define DEFINE_MAX 8192
void define_bytes(struct thread *t, uint8_t op, uint64_t id, const struct piece *pieces, int n_pieces);

/* Set before the first event: no key gets a second id, at the cost of a lock. For PYTRACE_LOG=check, which compares
 * ids. */
extern bool intern_is_exact __attribute__((visibility("hidden")));

/* Forgets everything: the child of a fork starts its own trace. */
void intern_after_fork(void);
