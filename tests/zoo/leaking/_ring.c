/* SPDX-License-Identifier: Apache-2.0 */
/* Takes frames of a camera. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

/* A frame of video: mapped, checked, and forgotten if its checksum is odd. */
int ring_frame(const unsigned char *data, int length)
{
	unsigned char *frame = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* leak */
	int sum = 0;
	memcpy(frame, data, length);
	for (int i = 0; i < length; i++)
		sum += frame[i];
	if (data[1] % 3 == 1)
		return -1;
	munmap(frame, 65536);
	return sum;
}
