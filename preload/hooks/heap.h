/* SPDX-License-Identifier: Apache-2.0 */
/* heap: what an allocator behind our hooks takes from the system, recorded as layer heap. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

/* As mmap and munmap, in the middle of an allocation or not. */
void *heap_mmap(void *hint, size_t bytes, int prot, int flags, int fd, off_t offset);
int heap_munmap(void *p, size_t bytes);
