/* SPDX-License-Identifier: Apache-2.0 */
/* cxx: C++'s operators new and delete of a foreign allocator (foreign.h). libstdc++'s own call malloc and free. */
#pragma once
#include "preload/foreign.h"

extern const struct foreign_hook cxx_hooks[] __attribute__((visibility("hidden")));
extern const size_t cxx_hooks_n __attribute__((visibility("hidden")));
