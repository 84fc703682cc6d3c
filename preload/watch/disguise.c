/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disguise: see disguise.h
 *
 * A setting of the program's is read by handlers of other threads while it is written: two copies, and a word that says
 * which one holds.
 */
#include "preload/watch/disguise.h"
#include "preload/allocator/real.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"
#include "preload/snapshot/signals.h"
#include "preload/base/tracer.h"
#include "preload/watch/pages.h"

#include <string.h>
#include <ucontext.h>

enum { TAKEN_MAX = 2, SIGNALS = 64 };

static struct taken {
	int number; /* 0: free */
	void (*handler)(int number, siginfo_t *info, void *context);
	struct sigaction theirs[2];
	_Atomic(unsigned) current; /* of `theirs` */
} taken[TAKEN_MAX];

bool disguise_on;
static uint64_t bits_taken;                /* signals, as the kernel numbers bits */
static _Atomic(uint64_t) in_mask[SIGNALS]; /* of taken ones, in the sa_mask that the program gave for a signal */
static __thread uint64_t blocked __attribute__((tls_model("initial-exec"))); /* of taken ones, by the program */
static __thread uint64_t held __attribute__((tls_model("initial-exec")));    /* that are blocked in truth, too */
static __thread siginfo_t held_fault __attribute__((tls_model("initial-exec")));

static uint64_t bit_of(int number) { return UINT64_C(1) << (number - 1); }
static bool is_signal(int number) { return number > 0 && number <= SIGNALS; }

static struct taken *taken_of(int number)
{
	for (int i = 0; i < TAKEN_MAX; i++)
		if (number && taken[i].number == number)
			return &taken[i];
	return NULL;
}

/* The child of a vfork is in its parent's memory, with signals of its own. */
static bool is_our_process(void) { return os_pid() == sink_owner_pid(); }

/* ---- sets: the first word of a sigset_t is the kernel's ---- */

static uint64_t word_of(const sigset_t *set)
{
	uint64_t word;

	memcpy(&word, set, sizeof word);
	return word;
}

static void set_word(sigset_t *set, uint64_t word) { memcpy(set, &word, sizeof word); }

static long kernel_mask(int how, uint64_t word) { return os_call(SYS_rt_sigprocmask, how, &word, NULL, sizeof word); }

/* ---- settings ---- */

static bool same_handler(const struct sigaction *a, void (*f)(int, siginfo_t *, void *))
{
	return a->sa_flags & SA_SIGINFO && a->sa_sigaction == f;
}

/* What a thread does to itself can't wait, and faults may nest. */
#define FAULTS (bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGFPE) | bit_of(SIGILL))

/* Our handler runs on the stack that the program's would run on: an alternate one may be too small for it where none is
 * needed, and is the only one that there is where the stack is full. Nothing else is handled meanwhile. */
static int put(const struct taken *t, struct sigaction *ret_old)
{
	struct sigaction ours = { .sa_sigaction = t->handler, .sa_flags = SA_SIGINFO | SA_RESTART };

	if (ret_old && real.sigaction(t->number, NULL, ret_old))
		return -1;
	ours.sa_flags |= (ret_old ? ret_old : &t->theirs[t->current])->sa_flags & SA_ONSTACK;
	if (FAULTS & bit_of(t->number))
		ours.sa_flags |= SA_NODEFER;
	set_word(&ours.sa_mask, ~FAULTS);
	return real.sigaction(t->number, &ours, NULL);
}

/* What the program blocked while its handlers run, before anything was taken. */
static void clean_masks(void)
{
	struct sigaction now;

	for (int n = 1; n <= SIGNALS; n++) {
		if (n == SIGKILL || n == SIGSTOP || taken_of(n) || real.sigaction(n, NULL, &now) ||
		    !(word_of(&now.sa_mask) & bits_taken))
			continue;
		in_mask[n - 1] |= word_of(&now.sa_mask) & bits_taken;
		set_word(&now.sa_mask, word_of(&now.sa_mask) & ~bits_taken);
		real.sigaction(n, &now, NULL);
	}
}

bool disguise_take(int number, void (*f)(int number, siginfo_t *info, void *context))
{
	struct taken *t = taken_of(number);
	uint64_t old = 0;

	for (int i = 0; i < TAKEN_MAX && !t; i++)
		if (!taken[i].number)
			t = &taken[i];
	if (!t || !real.sigaction || !is_signal(number))
		return false;
	t->handler = f;
	t->number = number;
	if (put(t, &t->theirs[0])) {
		t->number = 0;
		return false;
	}
	bits_taken |= bit_of(number);
	os_call(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &old, sizeof old);
	blocked |= old & bit_of(number);
	kernel_mask(SIG_UNBLOCK, bit_of(number));
	clean_masks();
	disguise_on = true;
	return true;
}

void disguise_renew(void)
{
	struct sigaction now;

	for (int i = 0; i < TAKEN_MAX; i++) {
		struct taken *t = &taken[i];

		if (!t->number || real.sigaction(t->number, NULL, &now) || same_handler(&now, t->handler))
			continue;
		t->theirs[!t->current] = now;
		atomic_store(&t->current, !t->current);
		put(t, NULL);
	}
}

static int set_really(int number, const struct sigaction *action, struct sigaction *ret_old)
{
	return signals_concern(number) ? signals_action(number, action, ret_old)
				       : real.sigaction(number, action, ret_old);
}

static int set_taken(struct taken *t, const struct sigaction *action, struct sigaction *ret_old)
{
	struct sigaction theirs = t->theirs[t->current];
	int ret = 0;

	if (!is_our_process()) { /* whatever that process has; vfork's has our memory, and our state */
		if (!tracer_is_on())
			pages_open();
		ret = real.sigaction(t->number, action, ret_old);
		if (!ret && ret_old && same_handler(ret_old, t->handler))
			*ret_old = theirs;
		return ret;
	}
	if (action) {
		t->theirs[!t->current] = *action;
		atomic_store(&t->current, !t->current);
		if ((action->sa_flags ^ theirs.sa_flags) & SA_ONSTACK)
			put(t, NULL);
	}
	if (ret_old)
		*ret_old = theirs;
	return ret;
}

int disguise_action(int number, const struct sigaction *action, struct sigaction *ret_old)
{
	struct taken *t = taken_of(number);
	struct sigaction without;
	uint64_t before, masked = 0;
	int ret;

	if (t)
		return set_taken(t, action, ret_old);
	if (!is_signal(number) || !is_our_process())
		return set_really(number, action, ret_old);
	before = in_mask[number - 1];
	if (action) {
		without = *action;
		masked = word_of(&action->sa_mask) & bits_taken;
		set_word(&without.sa_mask, word_of(&action->sa_mask) & ~bits_taken);
	}
	ret = set_really(number, action ? &without : NULL, ret_old);
	if (ret)
		return ret;
	if (action)
		in_mask[number - 1] = masked;
	if (ret_old)
		set_word(&ret_old->sa_mask, word_of(&ret_old->sa_mask) | before);
	return 0;
}

/* ---- masks ---- */

static void change_blocked(int how, uint64_t word)
{
	word &= bits_taken;
	if (how == SIG_BLOCK)
		blocked |= word;
	else if (how == SIG_UNBLOCK)
		blocked &= ~word;
	else
		blocked = word;
}

/* What was held back for it comes now. */
static void release(void)
{
	uint64_t free = held & ~blocked;

	held &= blocked;
	if (free & ~FAULTS)
		kernel_mask(SIG_UNBLOCK, free & ~FAULTS);
	if (free & FAULTS && os_call(SYS_rt_tgsigqueueinfo, os_pid(), os_tid(), held_fault.si_signo, &held_fault))
		os_call(SYS_tgkill, os_pid(), os_tid(), held_fault.si_signo);
}

int disguise_mask(int (*real_mask)(int how, const sigset_t *set, sigset_t *ret_old), int how, const sigset_t *set,
		  sigset_t *ret_old)
{
	uint64_t before = blocked;
	sigset_t without;
	int ret;

	if (set) {
		without = *set;
		set_word(&without, how == SIG_UNBLOCK
					   ? word_of(set) & ~bits_taken
					   : (word_of(set) & ~bits_taken) | (how == SIG_SETMASK ? held & ~FAULTS : 0));
	}
	ret = real_mask(how, set ? &without : NULL, ret_old);
	if (ret)
		return ret;
	if (set)
		change_blocked(how, word_of(set));
	if (ret_old)
		set_word(ret_old, (word_of(ret_old) & ~bits_taken) | before);
	release();
	return 0;
}

/* ---- signals that are not ours ---- */

static bool was_sent(const siginfo_t *info) { return info->si_code <= 0; }

/* As if there were no handler. A fault happens again; what was sent, and a breakpoint, is sent once more. */
static void let_it_happen(int number, siginfo_t *info)
{
	struct sigaction nothing = { .sa_handler = SIG_DFL };

	real.sigaction(number, &nothing, NULL);
	if (!was_sent(info) && FAULTS & bit_of(number))
		return;
	if (!was_sent(info) || os_call(SYS_rt_tgsigqueueinfo, os_pid(), os_tid(), number, info))
		os_call(SYS_tgkill, os_pid(), os_tid(), number);
}

/* It stays pending until the program unblocks it, or waits for it. */
static void hold_back(int number, siginfo_t *info, ucontext_t *context)
{
	held |= bit_of(number);
	if (FAULTS & bit_of(number)) { /* those of our own must come through: it is sent again */
		held_fault = *info;
		return;
	}
	set_word(&context->uc_sigmask, word_of(&context->uc_sigmask) | bit_of(number));
	kernel_mask(SIG_BLOCK, bit_of(number));
	if (os_call(SYS_rt_tgsigqueueinfo, os_pid(), os_tid(), number, info))
		os_call(SYS_tgkill, os_pid(), os_tid(), number);
}

/* With the signals blocked that would be, but for traps; the end of our handler puts the mask back. */
static void call(const struct taken *t, const struct sigaction *theirs, siginfo_t *info, ucontext_t *context)
{
	uint64_t mask = word_of(&context->uc_sigmask) | word_of(&theirs->sa_mask);

	if (!(theirs->sa_flags & SA_NODEFER))
		mask |= bit_of(t->number);
	kernel_mask(SIG_SETMASK, mask & ~(bit_of(SIGTRAP) & bits_taken & ~held));
	if (theirs->sa_flags & SA_SIGINFO)
		theirs->sa_sigaction(t->number, info, context);
	else
		theirs->sa_handler(t->number);
}

void disguise_forward(int number, siginfo_t *info, void *context)
{
	struct taken *t = taken_of(number);
	struct sigaction nothing = { .sa_handler = SIG_DFL }, theirs;

	if (!t)
		return;
	theirs = t->theirs[atomic_load(&t->current)];
	if (blocked & bit_of(number) && was_sent(info)) {
		hold_back(number, info, context);
		return;
	}
	if (theirs.sa_handler == SIG_IGN && was_sent(info))
		return;
	if (theirs.sa_handler == SIG_DFL || theirs.sa_handler == SIG_IGN) {
		let_it_happen(number, info);
		return;
	}
	if (theirs.sa_flags & (int)SA_RESETHAND)
		set_taken(t, &nothing, NULL);
	call(t, &theirs, info, context);
}
