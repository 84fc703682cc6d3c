/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots: the objects that are watched at a time, each change of their counts as an event
 *
 * A slot is free, or lies in wait on a block in which an object is about to be made, or watches an object. Its count
 * has one or two places (means.h). The first write that choose_made() believes to be a birth makes the watch: WATCH,
 * and COUNT with PT_COUNT_BIRTH. Each further one that changes the count is a COUNT, with the stack of the instruction
 * that wrote. Threads: a lock, taken at DEPTH_OWN. In the handler it is taken likewise; a thread that was interrupted
 * at DEPTH_OWN may hold it, and its ring may be half written: such a change is told with the next one
 * (PT_COUNT_UNSEEN).
 */
#pragma once
#include "formats/event.h"
#include "preload/py/objects/counts.h"
#include "preload/record/thread.h"
#include "preload/watch/means.h"

enum { SLOTS_MAX = 64 };

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_WATCHING };

struct slot {
	const char *object;  /* where it begins, or would */
	const char *block;   /* NULL: the object is older than its watch */
	uint64_t tag;        /* choose.c's */
	uint64_t armed_ns;   /* of the trace: when the slot was taken */
	uint64_t made_ns;    /* when the watch began */
	uint64_t changed_ns; /* when the count changed last */
	int64_t count;       /* what was told last */
	uint32_t changes;    /* told, the first count included */
	uint32_t number;     /* of the watch */
	uint32_t type;       /* number of the object's type in the trace; 0: not known */
	uint32_t round;      /* of arming */
	uint8_t index;
	uint8_t state;        /* enum slot_state */
	_Atomic(bool) unseen; /* a change was not told when it happened */
	const char *type_word;
	struct py_count_words words; /* free-threaded: the parts at the last change */
};

/* Takes the means in force, NULL: none. Once, or again for another one when nothing is armed. */
void slots_start(const struct means *means);
/* Slots that there are, 0: nothing can be watched; and one of them, i below that. */
unsigned slots_n(void);
struct slot *slots_at(unsigned i);
/* Those that are free. */
unsigned slots_free(void);

/* Lies in wait for an object that would begin at `object`, in a block that was just handed out; several may wait for
 * one block: the first that is made ends the others. NULL: no place. At DEPTH_OWN. */
struct slot *slots_wait(struct thread *t, const void *block, const void *object, uint64_t tag);
/* Watches an object that exists. NULL: no place, immortal, watched already. At DEPTH_OWN. */
struct slot *slots_watch(struct thread *t, const void *object, uint64_t tag);
/* Ends a watch, which is told; one that waits ends in silence. At DEPTH_OWN. Not from choose_made(), which answers
 * instead. */
void slots_let_go(struct thread *t, struct slot *s, enum pt_unwatch why);
/* The block is about to be given back. At DEPTH_OWN. */
void slots_block_dies(struct thread *t, const void *block);
/* Ends what is watched now; those who wait go on waiting. At DEPTH_OWN. */
void slots_stop(struct thread *t);
/* All of them. At DEPTH_OWN. */
void slots_end(struct thread *t, enum pt_unwatch why);

/* PYTRACE_LOG: what is to be done with each context of a change besides; NULL: nothing. */
extern void (*slots_check)(struct thread *t, const void *context) __attribute__((visibility("hidden")));

/* From a handler of means: a place was written to. `round` as it was armed with; `late`: the thread has gone on since;
 * `context`: of the interrupted thread, its pc behind the instruction that wrote. Any depth. */
void slots_hit(unsigned place, uint32_t round, bool late, const void *context);
/* A slot waits here for what is made elsewhere in the block: it is let go. In a handler. */
void slots_in_vain(unsigned place, uint32_t round);
/* The slot whose place this is; NULL. */
struct slot *slots_of_place(unsigned place);

/* Now and then, at DEPTH_OWN: whether the means are still there. */
void slots_tick(struct thread *t);
/* In the child of a fork; and when its file is open. */
void slots_after_fork(void);
void slots_resume(struct thread *t);
