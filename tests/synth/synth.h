/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synth: traces without a traced program
 *
 * What:  a test says what happened, event by event; synth keeps rings, numbers runs as the tracer does, packs blocks
 *        through formats/ and writes the file. What a test wants broken, it breaks in s->bytes afterwards.
 * Order: events are in the order of the calls, whatever threads they are of.
 *
 *     struct synth *s = synth_new();
 *     synth_code(s, 1, 1, "app.py", "serve", 10);
 *     synth_frame(s, 1, 1, 0, 1, PT_OFFSET_NONE);
 *     synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 64, 1);
 *     synth_end(s);
 *     synth_write(s, path);
 *     synth_free_all(s);
 */
#pragma once
#include "formats/block.h"
#include "formats/codec.h"
#include "analyzer/base/array.h"

struct synth_thread {
	ARRAY(struct pt_slot) slots; /* the ring; those below n_packed are in a block, too */
	size_t n_packed;
	uint64_t base_slot;         /* number of slots[0] */
	uint64_t run, ns;           /* in force at the end */
	uint64_t base_run, base_ns; /* in force at slots[0] */
};

struct synth {
	ARRAY(uint8_t) bytes; /* the file; the front page is filled in by synth_write() */
	struct pt_front front;
	ARRAY(struct synth_thread) threads; /* [number]; 0 is not used */
	ARRAY(size_t) blocks;               /* offset of each block, in the order of the file */
	uint64_t run, ns;                   /* global: number of the current run; the clock */
	uint32_t running;                   /* whose run it is */
	bool zip;                           /* pack with zstd */
	uint64_t counts[256], n_events, n_defs, n_packed;
};

/* Pid 1000, program "synth.py", time 0; the schema is defined by thread 1. */
struct synth *synth_new(void);
void synth_free_all(struct synth *s);

/* The clock: the next event brings it along. */
void synth_at(struct synth *s, uint64_t ns);

/* Any event of memory, any pair, any definition. */
void synth_memory(struct synth *s, uint32_t thread, uint8_t op, uint64_t addr, uint64_t size, uint32_t stack);
void synth_pair(struct synth *s, uint32_t thread, uint8_t op, uint64_t a, uint64_t b);
void synth_define(struct synth *s, uint32_t thread, uint8_t op, uint64_t id, const void *data, size_t len);

void synth_alloc(struct synth *s, uint32_t thread, enum pt_layer layer, uint64_t addr, uint64_t size, uint32_t stack);
void synth_free(struct synth *s, uint32_t thread, enum pt_layer layer, uint64_t addr, uint32_t stack);
void synth_meta(struct synth *s, uint32_t thread, const char *key_value);
/* A code object without a line table: everything is at its first line. */
void synth_code(struct synth *s, uint32_t thread, uint64_t id, const char *file, const char *name, uint32_t first_line);
void synth_frame(struct synth *s, uint32_t thread, uint32_t id, uint32_t parent, uint32_t code, uint32_t offset);
/* Flags are PT_MODULE_; there is no build id. */
void synth_module(struct synth *s, uint32_t thread, uint64_t id, const char *path, uint8_t flags);
/* Flags are PT_NATIVE_. */
void synth_native(struct synth *s, uint32_t thread, uint32_t id, uint32_t parent, uint32_t module, uint64_t offset,
		  uint32_t flags);
void synth_join(struct synth *s, uint32_t thread, uint32_t id, uint32_t python, uint32_t native);

/* Packs a thread's ring into a DEFS and an EVENTS block, and starts it anew. */
void synth_flush(struct synth *s, uint32_t thread);
/* Packs it, but leaves it as it is: a process killed before it could start the ring anew. */
void synth_pack(struct synth *s, uint32_t thread);
/* Puts the ring itself into the file, as a killed process leaves it. */
void synth_ring(struct synth *s, uint32_t thread);
/* A block of any kind. */
void synth_block(struct synth *s, struct pt_block *head, const void *payload, size_t len);

/* Packs all threads, writes the footer, and says that the process ended with status 0. */
void synth_end(struct synth *s);
/* Completes the front page and writes the file. */
void synth_write(struct synth *s, const char *path);
