/* SPDX-License-Identifier: Apache-2.0 */
/* refs_hunt: `refs --hunt`: the two runs that prove it */
#pragma once

/* The whole command line, as command.run() has it. */
int refs_hunt(int argc, char **argv);
