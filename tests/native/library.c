/* SPDX-License-Identifier: Apache-2.0 */
/* library: loaded and unloaded by shapes.c; SIZE makes two of them that differ in their frames. */
#include <stddef.h>

__attribute__((noinline)) static int inner(void (*take)(size_t), int n)
{
	volatile char room[SIZE] = { 0 };

	take((size_t)n + 1);
	return room[0];
}

void entry(void (*take)(size_t), int n)
{
	volatile char room[SIZE / 2] = { 0 };

	for (int i = 0; i < n; i++)
		room[0] = (char)(room[0] + inner(take, i));
}
