/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment: our own entry in LD_PRELOAD, which children inherit
 *
 * Who: the constructor, before the program's main. Changes the vector in place and allocates nothing.
 */
#pragma once

/* A path relative to the directory where the program was started does not lead its children to us when they work
 * elsewhere; ld.so would complain on their stderr. Makes it absolute. */
void environment_make_absolute(void);
/* Takes us out of LD_PRELOAD, so that programs that are executed run without us. */
void environment_leave(void);
