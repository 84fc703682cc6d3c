/* SPDX-License-Identifier: Apache-2.0 */
/*
 * means: what stops the program when a word is written
 *
 * hardware.c  the processor's watchpoints, by perf_event_open: all threads, four words at a time
 * pages.c     objects on pages of their own, write protected: no privileges, slower, only from birth on
 * A place is a word that is watched, numbered from 0; a slot has as many as a count has parts (py/objects/counts.h).
 * Places and slots are armed and disarmed with the lock of slots.c held, at DEPTH_OWN.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct means {
	const char *name; /* META watch.means */
	const char
		*instead; /* what this one means for people when a better one can't be had: a clause; NULL: nothing */
	/* Once, when something is to be watched. False: not here, *ret_why is a clause for people. */
	bool (*start)(const char **ret_why);
	/* Whether an object of this type can be watched, now that it shows what it is. NULL: any can. */
	bool (*suits)(const char *object);
	/* How many places there are. Fewer than before when somebody else (a debugger) has taken some. */
	unsigned (*room)(void);
	/* From here on each write of a thread of this process to these bytes ends in slots_hit() with this place and
	 * `round`, which tells this arming from others. False: it can't be, the place is as if disarmed. */
	bool (*arm)(unsigned place, const void *address, unsigned bytes, uint32_t round);
	/* No write ends there any more, but for one that happens at this moment. False: it was not armed any more, for
	 * the program or the kernel has taken the means away. */
	bool (*disarm)(unsigned place);
	/* Whether it still is armed. */
	bool (*holds)(unsigned place);
	/* A SIGTRAP of the calling thread. True: it was ours, and is dealt with. */
	bool (*trap)(const siginfo_t *info, void *context);
	/* In the child of a fork: nothing is armed, what there is was the parent's. */
	void (*after_fork)(void);
	/* For good. */
	void (*end)(void);
};

extern const struct means means_hardware __attribute__((visibility("hidden")));
extern const struct means means_pages __attribute__((visibility("hidden")));
