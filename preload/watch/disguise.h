/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disguise: handlers of ours, for signals that watching needs, which the program does not see
 *
 * What:  as long as something is watched SIGTRAP (and SIGSEGV, for pages) has a handler of ours, and is not blocked in
 *        any thread. What the program sets, and what it blocks, is kept here and told it when it asks; a signal that is
 *        not ours ends where the program wants it.
 * Who:   hooks/signal.c asks at every call; trap.c and pages.c take their signals.
 * Not seen through: masks that system calls take themselves (ppoll, sigsuspend), signals blocked by other threads
 * before watching began: there traps come late. A SIGSEGV that was sent while the program blocks it is neither pending
 * for sigpending(2) nor there for a sigwait(3) that comes later.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>

/* Whether any signal was taken. */
extern bool disguise_on __attribute__((visibility("hidden")));

/* From here on f is the handler of a signal, for good; it is not blocked in this thread any more. False: it can't be.
 */
bool disguise_take(int number, void (*f)(int number, siginfo_t *info, void *context));
/* In the child of a fork that is traced from here on: what it has set itself meanwhile is its own, and our handlers
 * stand again. */
void disguise_renew(void);
/* What the program asks sigaction(2) for, of any signal. */
int disguise_action(int number, const struct sigaction *action, struct sigaction *ret_old);
/* What it asks sigprocmask or pthread_sigmask for; `real` is the one of them. Returns what that returns. */
int disguise_mask(int (*real)(int how, const sigset_t *set, sigset_t *ret_old), int how, const sigset_t *set,
		  sigset_t *ret_old);
/* In a handler: the signal was not for us. Does what the program has set: calls its handler, leaves it pending where
 * the program blocks it, or lets it end the process. */
void disguise_forward(int number, siginfo_t *info, void *context);
