/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files: where the files of a module are: itself, its separate debug file
 *
 * The module's path is looked up below --sysroot. Debug files are looked for by build id and by the name that the
 * module gives (.gnu_debuglink) in --debug-path, in SYSROOT/usr/lib/debug, beside the module; then at debuginfod, when
 * DEBUGINFOD_URLS is set, within FILES_DEBUGINFOD_S seconds for all questions together.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILES_DEBUGINFOD_S = 60 };

struct files;

/* Copies its texts; any may be NULL. */
struct files *files_new(const char *sysroot, const char *debug_path, bool offline);
void files_free(struct files *f);
