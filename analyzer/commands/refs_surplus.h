/* SPDX-License-Identifier: Apache-2.0 */
/* refs_surplus: the other questions of `refs`: what the snapshots say of counts, and the runs that prove it. Their
 * options are rows of refs' own page; each of them has a line of its own. */
#pragma once
#include <stdbool.h>

/* Whether the line is one of these: --surplus, --suspects or --hunt before the first operand. */
bool refs_surplus_wanted(int argc, char **argv);
/* The whole command line, as command.run() has it. */
int refs_surplus(int argc, char **argv);

/* `refs --hunt`: refs_hunt.c. */
int refs_hunt(int argc, char **argv);
