/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *or_die(void *p)
{
	if (p)
		return p;
	fputs("pytrace: out of memory\n", stderr);
	exit(MEM_EXIT_STATUS);
}

void *mem_alloc(size_t bytes) { return or_die(malloc(bytes ? bytes : 1)); }

void *mem_zero(size_t n, size_t bytes_each) { return or_die(calloc(n ? n : 1, bytes_each)); }

void *mem_resize(void *p, size_t n, size_t bytes_each)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, bytes_each, &bytes))
		return or_die(NULL);
	return or_die(realloc(p, bytes ? bytes : 1));
}

void *mem_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return or_die(p == MAP_FAILED ? NULL : p);
}

void mem_unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

char *mem_text(const char *s, size_t len)
{
	char *copy = mem_alloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = 0;
	return copy;
}
