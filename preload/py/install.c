/* SPDX-License-Identifier: Apache-2.0 */
/* install: the tracer's allocator hooks, and putting them back. */
#include "preload/py/py.h"

void py_install(const struct py_hooks *hooks) { (void)hooks; }
void py_watch_closely(void) {}
