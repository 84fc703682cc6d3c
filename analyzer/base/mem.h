/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem: memory that is there, or the program ends
 *
 * The analyzer bounds what a file can make it ask for before it asks; when the machine has no more even so, no report
 * could be made either. So these never return NULL: they print one line and exit with EXIT_NO_MEMORY.
 */
#pragma once
#include <stddef.h>

enum { MEM_EXIT_STATUS = 3 };

void *mem_alloc(size_t bytes);
void *mem_zero(size_t n, size_t bytes_each);
void *mem_resize(void *p, size_t n, size_t bytes_each);
/* Zeroed pages straight from the kernel, untouched until used: for big tables. Give back with mem_unmap. */
void *mem_map(size_t bytes);
void mem_unmap(void *p, size_t bytes);
char *mem_text(const char *s, size_t len); /* a copy with a terminating zero */
