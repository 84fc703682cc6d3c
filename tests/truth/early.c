/* SPDX-License-Identifier: Apache-2.0 */
/*
 * early: a library that allocates before any other code of the process, and gives back or resizes at the end
 *
 * Preloaded behind libpytrace.so its constructor runs before the tracer's: these blocks are libc's, whoever serves
 * later. It ends the process with status 99 when one of them is damaged.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 300 };
static unsigned char *blocks[BLOCKS];

static size_t size_of(int i) { return i % 50 == 49 ? 300000 : 16 + (size_t)i * 7; }

__attribute__((constructor)) static void make(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = i % 3 == 0   ? malloc(size_of(i))
			    : i % 3 == 1 ? calloc(1, size_of(i))
					 : realloc(malloc(5), size_of(i));
		memset(blocks[i], i, size_of(i));
	}
	for (int i = 0; i < BLOCKS; i += 10) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

static void check(const unsigned char *p, int i, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (p[k] != (unsigned char)i)
			_exit(99);
}

__attribute__((destructor)) static void give_back(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		if (!blocks[i])
			continue;
		if (malloc_usable_size(blocks[i]) < size_of(i))
			_exit(99);
		check(blocks[i], i, size_of(i));
		if (i % 2) {
			blocks[i] = realloc(blocks[i], 2 * size_of(i));
			check(blocks[i], i, size_of(i));
		}
		if (i % 7 == 0) {
			blocks[i] = realloc(blocks[i], 10);
			check(blocks[i], i, 10);
		}
		free(blocks[i]);
	}
}
