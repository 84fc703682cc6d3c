/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pymem: the hooks that are put into CPython's three allocator domains and its arena allocator
 */
#pragma once
#include "preload/py/py.h"

extern const struct py_hooks pymem_hooks __attribute__((visibility("hidden")));
