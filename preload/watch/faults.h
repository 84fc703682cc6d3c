/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults: words that are watched by protecting the pages they lie on
 *
 * What:  A write to a page that is protected brings SIGSEGV. Its handler does the write on the program's behalf
 * (cpu/store.h), or lets the one instruction run with the page open (a step, ended by SIGTRAP), and tells slots.h when
 * a word that is watched was written. Other writes to the page have no event; they only take time. Who:   pages.c,
 * which says what lies on such pages. Armed and disarmed under the lock of slots.c. Limits: the kernel writes nothing
 * to a protected page: a system call that is given a buffer there fails (EFAULT). pages.c sees to it that none lies
 * there.
 */
#pragma once
#include "preload/watch/slots.h"

enum { FAULTS_PLACES = 2 * SLOTS_MAX };

/* Takes SIGSEGV. `owns`: whether an address is on a page that faults_arm() may have been told of; asked in the handler.
 */
bool faults_start(bool (*owns)(uintptr_t address), const char **ret_why);
/* The word is watched, its page protected. False: the kernel does not want to. */
bool faults_arm(unsigned place, const void *address, unsigned bytes, uint32_t round);
/* Whether it was armed. */
bool faults_disarm(unsigned place);
bool faults_holds(unsigned place);
/* What of these bytes is watched is not any more. */
void faults_forget(const void *start, size_t bytes);
/* A SIGTRAP: the end of a step. False: not ours. */
bool faults_trap(const siginfo_t *info, void *context);
/* In a child whose memory is its own: pages are open, nothing is armed. Any number of times. */
void faults_after_fork(void);
