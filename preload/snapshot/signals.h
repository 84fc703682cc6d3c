/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals: those that ask for a snapshot, start and stop recording, and those that end the program
 *
 * What:  a handler for PYTRACE_SNAPSHOT=signal=; and, with `exit`, one for SIGTERM and its like as long as the program
 *        has none: it takes the last snapshot, ends the trace and then lets the signal do what it would have done.
 * Manners: the program does not see our handlers: sigaction() and signal() (hooks/signal.c) report what would be there,
 *        and whatever it sets itself replaces ours. Other programs never inherit them: exec puts handlers back.
 */
#pragma once
#include "preload/options.h"

#include <signal.h>

/* Once, from the constructor. */
void signals_start(const struct options_snapshot *when);
/* The same for the signal of PYTRACE_START (0: none) that starts and stops recording; its handler stands, where the
 * program has none, from when the interpreter was initialised for the first time. */
void signals_toggle_start(int number);
void signals_toggle_on(void);
/* The interpreter is initialised: our handlers stand where the program has none. */
void signals_on(void);
/* It takes itself down: the signals just do what they would do. */
void signals_off(void);
/* The process ends in any case, in the thread that calls this: what would end it now is too late. */
void signals_end(void);
/* What the program asked sigaction(2) for. */
int signals_action(int number, const struct sigaction *action, struct sigaction *ret_old);
/* Whether signal() must go through signals_action. */
bool signals_concern(int number);
/* A snapshot was taken because this signal is about to end the process: ends it. Does nothing when none is. Any moment
 * with the thread's hooks open. */
void signals_die(void);
