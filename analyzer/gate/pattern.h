/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern: the patterns of LeakSanitizer's suppressions
 *
 * `*` stands for any text, `^` at the start and `$` at the end tie the pattern to the ends of the text; without them it
 * may lie anywhere in it (compiler-rt, sanitizer_common: TemplateMatch).
 */
#pragma once
#include <stdbool.h>

/* Whether the pattern is in the text. Linear in the text for each `*`. An empty pattern is in none. */
bool pattern_matches(const char *pattern, const char *text);
