/* SPDX-License-Identifier: Apache-2.0 */
/* watch: see watch.h. Which means, what the trace says of them, and when. */
#include "preload/watch/watch.h"
#include "preload/record/intern.h"
#include "preload/base/os.h"
#include "preload/py/objects/counts.h"
#include "preload/watch/choose.h"
#include "preload/watch/disguise.h"
#include "preload/watch/rules.h"
#include "preload/watch/slots.h"
#include "preload/watch/trap.h"

#include <stdio.h>
#include <string.h>

#define LOOK_NS UINT64_C(1000000000) /* between two looks whether the means are still there */

static const struct means *const all_means[] = { &means_hardware, &means_pages };
enum { MEANS = sizeof all_means / sizeof *all_means };

static struct {
	const char *rules;
	const struct means *means; /* in force; NULL: none */
	bool tried, told;
	char off[512]; /* why not, or less */
	uint64_t looked_ns;
	struct lock lock;
} watch;

/* ---- means ---- */

static void note_why(const char *why)
{
	size_t n = strlen(watch.off);

	snprintf(watch.off + n, sizeof watch.off - n, "%s%s", n ? "; " : "", why);
}

static bool is_wanted(const struct means *m)
{
	const char *name = rules_means();

	return !name || !strcmp(name, m->name);
}

/* The first that works here. */
static void find_means(void)
{
	const char *why = "";

	watch.tried = true;
	for (int i = 0; i < MEANS && !watch.means; i++) {
		if (!is_wanted(all_means[i]))
			continue;
		if (!all_means[i]->start(&why))
			note_why(why);
		else if (trap_start(all_means[i]))
			watch.means = all_means[i];
		else
			note_why("SIGTRAP can't be had");
	}
	if (!watch.off[0] && !watch.means)
		note_why("PYTRACE_WATCH asks for no means");
	if (!watch.means)
		return;
	if (watch.off[0] && watch.means->instead)
		note_why(watch.means->instead);
	slots_start(watch.means);
	atomic_fetch_or(&objects_wanted, OBJECTS_WATCH);
}

const char *watch_off(void) { return watch.off[0] ? watch.off : NULL; }

/* ---- the trace ---- */

static void define(struct thread *t, const char *key, const char *value)
{
	define_bytes(t, PT_OP_META, 0, (struct piece[]){ { key, strlen(key) }, { value, strlen(value) } }, 2);
}

static void tell(struct thread *t)
{
	watch.told = true;
	define(t, "watch=", watch.rules ? watch.rules : "");
	define(t, "watch.means=", watch.means ? watch.means->name : "");
	if (watch_off())
		define(t, "watch.off=", watch_off());
}

/* ---- life ---- */

void watch_start(const char *rules)
{
	struct thread *t;

	watch.rules = rules;
	if (!rules[0])
		return;
	choose_start(rules);
	find_means();
	t = thread_enter_idle();
	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	tell(t);
	thread_leave(t);
}

void watch_born(struct thread *t, const void *block, size_t bytes, uint32_t stack)
{
	if (choose_births)
		choose_born(t, block, bytes, stack);
}

bool watch_serves(struct thread *t, size_t bytes, uint32_t stack, size_t *ret_before)
{
	return choose_births && choose_serves(t, bytes, stack, ret_before);
}

void watch_dies(struct thread *t, const void *block)
{
	slots_block_dies(t, block);
	if (choose_births)
		choose_dies(t, block);
}

bool watch_object(struct thread *t, const void *object)
{
	lock_take(&watch.lock);
	if (!watch.tried) {
		find_means();
		tell(t);
	}
	lock_drop(&watch.lock);
	return watch.means && slots_watch(t, object, 0);
}

void watch_tick(struct thread *t)
{
	if (!watch.means || t->clock_ns < watch.looked_ns + LOOK_NS)
		return;
	watch.looked_ns = t->clock_ns;
	slots_tick(t);
}

void watch_end(struct thread *t)
{
	if (watch.means)
		slots_end(t, PT_UNWATCH_END);
}

/* Births are not told while recording is stopped, so nobody else is chosen before it goes on. */
void watch_pause(struct thread *t)
{
	if (watch.means)
		slots_stop(t);
}

void watch_after_fork(void)
{
	lock_drop(&watch.lock);
	choose_after_fork();
	watch.looked_ns = 0;
	if (watch.means)
		slots_after_fork();
}

/* What was opened was the parent's. */
void watch_resume(struct thread *t)
{
	const char *why;

	if (!watch.tried)
		return;
	if (watch.means)
		disguise_renew();
	if (watch.means && !watch.means->start(&why)) {
		note_why(why);
		watch.means = NULL;
		atomic_fetch_and(&objects_wanted, (uint8_t)~OBJECTS_WATCH);
	}
	tell(t);
	slots_resume(t);
}
