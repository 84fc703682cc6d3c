/* SPDX-License-Identifier: Apache-2.0 */
/* refs_surplus: the other questions of `refs`: what the snapshots say of counts, and the run that proves it. */
#pragma once

/* `refs --surplus`. The whole command line, as command.run() has it. */
int refs_surplus(int argc, char **argv);
