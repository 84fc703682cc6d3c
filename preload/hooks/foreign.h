/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign: what only foreign allocators have (preload/allocator/foreign.h): C++'s operators new and delete that do not
 * call malloc, as libstdc++'s do, and jemalloc's mallocx and family
 */
#pragma once
#include "preload/allocator/foreign.h"

extern const struct foreign_hook cxx_hooks[] __attribute__((visibility("hidden")));
extern const size_t cxx_hooks_n __attribute__((visibility("hidden")));
extern const struct foreign_hook mallocx_hooks[] __attribute__((visibility("hidden")));
extern const size_t mallocx_hooks_n __attribute__((visibility("hidden")));
