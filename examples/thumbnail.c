/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thumbnail: a small library in C, with a planted leak: an error path that forgets a buffer. gallery.py uses it.
 *
 *     cc -g -O2 -shared -fPIC -o libthumbnail.so examples/thumbnail.c
 */
#include <stdlib.h>
#include <string.h>

static unsigned char *unpack(const unsigned char *data, size_t bytes)
{
	unsigned char *pixels = malloc(bytes * 4);

	for (size_t i = 0; pixels && i < bytes * 4; i++)
		pixels[i] = data[i / 4];
	return pixels;
}

/* The mean of the picture's pixels; -1 when it is no picture. */
int thumbnail(const unsigned char *data, size_t bytes)
{
	unsigned char *pixels = unpack(data, bytes);
	unsigned long sum = 0;

	if (!pixels || memcmp(data, "PIC", 3))
		return -1; /* the planted leak: pixels */
	for (size_t i = 0; i < bytes * 4; i++)
		sum += pixels[i];
	free(pixels);
	return (int)(sum / (bytes * 4));
}
