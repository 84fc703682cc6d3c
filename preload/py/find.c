/* SPDX-License-Identifier: Apache-2.0 */
/* find: which interpreter is loaded, and where its symbols are. */
#include "preload/py/py.h"

static struct py_info info;

bool py_start(void *handle)
{
	(void)handle;
	return info.implementation;
}

const struct py_info *py_info(void) { return &info; }
