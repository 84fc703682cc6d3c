/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: where the trace goes
 *
 * PYTRACE_OUTPUT's pattern to an absolute path, and a new file of that name. Nothing that is there is written over.
 */
#pragma once
#include <limits.h>

/* Makes the file that `pattern` names (%n program, %p pid, %h host, %t start time) and puts its absolute path into
 * `path`. A file of that name that is there already gets a neighbour with a number. Returns a descriptor,
 * close-on-exec, or -errno; then `path` is what could not be made. */
int name_create(char path[PATH_MAX], const char *pattern, const char *program);
