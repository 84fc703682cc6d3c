/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose: which of the objects that are born get one of the few places, and for how long
 *
 * What:  a slot (slots.h) is put in wait on a block that was just handed out, when by its stack and size what is made
 *        there may be of interest; its first count shows the type: kept, or let go without a trace.
 * How:   habits: what was made in the last block from this stack and of this size is looked at, at no cost for the
 * program, when its thread takes or gives back the next block; so most stacks are known when they matter. README.md.
 * Who:   watch.c; slots.c asks at the first writes. Hooks at DEPTH_OWN, but for choose_made().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slot;
struct thread;

enum { CHOOSE_WAITS = 3 };

/* In struct thread. Zero is the first state. */
struct choose_thread {
	const char *block; /* handed out last, and to be looked at; NULL */
	uint64_t key;      /* its stack and size */
	uint64_t until;    /* births until the next draw of a sample */
	uint64_t seed;
	struct slot *waits[CHOOSE_WAITS]; /* slots that wait on it */
	uint8_t n_waits;
	bool is_served;      /* choose_serves() said yes to the next block ... */
	uint8_t priority;    /* ... for objects of this priority ... */
	uint32_t place;      /* ... that begin here in it ... */
	uint64_t rules;      /* ... by these rules */
	uint64_t late_rules; /* for want of places nobody waits at some of those where the object may begin */
};

/* Births are to be told. */
extern bool choose_births __attribute__((visibility("hidden")));

/* Reads PYTRACE_WATCH. In the constructor; says on stderr what can't be read. */
void choose_start(const char *rules);
/* The OBJ domain handed out a block, in its hook, after the event. While choose_births. */
void choose_born(struct thread *t, const void *block, size_t bytes, uint32_t stack);
/* It is about to get one back; its slots are closed. */
void choose_dies(struct thread *t, const void *block);

/* For means that must serve the block themselves: whether the next block that this thread gets is to be waited on, and
 * where in it the object would begin. The choose_born() that follows says the same. */
bool choose_serves(struct thread *t, size_t bytes, uint32_t stack, size_t *ret_place);

/* At a write to the count of what a waiting slot waits for: stay, keep it (slot->type is set), or let go in silence.
 * With the lock of slots.c, in a handler or not, at DEPTH_OWN: calls nothing of slots.h. */
enum choose_verdict { CHOOSE_WAIT, CHOOSE_KEEP, CHOOSE_NOT };
enum choose_verdict choose_made(struct thread *t, struct slot *s);

/* A slot that watched becomes free: its object died, or is immortal. With the lock of slots.c. */
void choose_free(struct thread *t, struct slot *s);

void choose_after_fork(void);
