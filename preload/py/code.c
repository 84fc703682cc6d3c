/* SPDX-License-Identifier: Apache-2.0 */
/* code: numbers for code objects, and their definitions. */
#include "preload/py/py.h"

void py_code_dies(const void *block) { (void)block; }
