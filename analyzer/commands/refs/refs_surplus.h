/* SPDX-License-Identifier: Apache-2.0 */
/* refs_surplus: `refs --surplus` and `refs --suspects`: what the snapshots say of counts */
#pragma once

/* The whole command line, as command.run() has it. */
int refs_surplus(int argc, char **argv);
