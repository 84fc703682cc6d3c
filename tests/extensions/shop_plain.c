/* SPDX-License-Identifier: Apache-2.0 */
/* shop_plain: a library in C that Python calls by ctypes or cffi: it takes memory and calls back. */
#include <stdlib.h>

void *shelf[64];

__attribute__((noinline)) static int put(int n, size_t bytes)
{
	shelf[n] = malloc(bytes);
	return n;
}

int order(int (*customer)(size_t), size_t bytes)
{
	int got;

	put(0, bytes);
	got = customer(bytes + 1);
	return got + 1;
}
