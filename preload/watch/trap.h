/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap: the handler of SIGTRAP
 *
 * Asks the means in force whether a trap is theirs; what is not (a breakpoint of the program's own, a signal that
 * somebody sent) goes where the program wants it (disguise.h).
 */
#pragma once
#include "preload/watch/means.h"

/* Installs it, for these means. False: it can't be. */
bool trap_start(const struct means *means);
