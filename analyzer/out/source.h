/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: a line of a source file, to show beside its number
 *
 * The file may not be on this machine, may be no text, or may have changed since: then nothing is shown, or it is said.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads line `line` (from 1) of a regular file without its indentation, made printable and cut to fit. False when
 * there is none. *ret_changed tells whether the file is younger than `at_real_ns` (nanoseconds since 1970). */
bool source_line(const char *path, int line, uint64_t at_real_ns, char *buf, size_t cap, bool *ret_changed);
