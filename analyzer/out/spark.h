/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spark: a row of numbers as one line of characters
 *
 * Each number is one character, higher or darker as it is more. Where the locale has UTF-8 they are block characters,
 * else ASCII.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Prints n characters for values of 0 to `most`. A value that is not 0 never looks like 0. */
void spark_print(FILE *f, const uint64_t *values, size_t n, uint64_t most, bool unicode);

/* Whether the environment's locale has UTF-8 (LC_ALL, LC_CTYPE, LANG). */
bool spark_unicode(void);
