/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan: native blocks to which no pointer leads
 *
 * Theory. What a program can still give back, it can find: a chain of pointers leads to it from its registers, stacks,
 * data of its files, thread-local storage, or from memory that it mapped for itself. A block to which none leads is
 * lost. The copy stands still, so all of that can be looked at, word by word: a word that is an address within a block
 * is taken for a pointer to it (in doubt somebody has it), and so is an int of Python's whose value is one, which is
 * how ctypes hands out addresses. Python's objects and native blocks are one graph: all are blocks.
 *
 * What:  LOST records of blocks that were not reached, with the lost blocks that they point to, and facts (FORMAT.md
 * 5.5). Whether such a block is alive, and what it is, the reader knows from the events.
 * Heaps: glibc's (chunks.h), the pools of Python's object allocator (py/objects/pools.h), its mimalloc in free-threaded
 *        builds (py/objects/segments.h). What they have free is not looked at. Memory of other allocators (jemalloc) is
 *        not known block by block: it counts as a root, whole, and nothing in it is called lost.
 * Mappings: what the program mapped for itself is a root as a whole; its pages in which no word is an address are
 *        written like lost blocks, runs of them as one.
 * Not:   pointers that are hidden (XORed, compressed, tagged in their high bits, in shared memory, known to the kernel
 *        alone), and registers of the other threads, which are not in the copy. The reader bears that in mind.
 * Trust: none. A fault ends what is in hand; what was not enumerated is a root. When anything was cut short the facts
 * say so, and the reader claims nothing.
 * Who:   inside.c, once, after areas_write() and the walk of the objects.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/cpu/cpu.h"

struct out;

struct scan_order {
	uint32_t pid;                      /* of the program */
	uint64_t registers[CPU_REGISTERS]; /* of the thread that made the copy */
	uintptr_t own, own_end;            /* memory of the tracer's that areas_each_own() does not know */
	bool is_libc;                      /* the program's malloc is the C library's */
};

/* Writes the records. */
void scan_write(struct out *o, const struct scan_order *order);
