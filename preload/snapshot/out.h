/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out: the record stream of one snapshot
 *
 * What:  records in, SNAPSHOT blocks out (formats/snapshot.h, FORMAT.md 5.5): pieces of about 1 MiB, packed with zstd,
 *        each written with one pwrite where the file ends.
 * Who:   the forked copy of the program, its only thread. Nothing here takes memory from the program, or fails: what
 *        can't be written (disk full, the size limit) is dropped, and the snapshot has no END then.
 * How:   a record is written like this:
 *
 *		uint8_t *p = out_room(o, 40);
 *
 *		*p++ = PT_RECORD_TEXT;
 *		p = out_address(o, PT_RECORD_TEXT, p, address);
 *		...
 *		out_record(o, p);
 *
 *        Strings of a record are asked for before its room is: out_string may write a record of its own.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>

#include "formats/bytes.h"
#include "formats/snapshot.h"

struct out;

/* Room for one record of at most `bytes` bytes, as one piece. Never NULL when `bytes` is at most out_longest(). Takes
 * no memory for what is not used, so a generous estimate costs nothing. Anew before each record. */
uint8_t *out_room(struct out *o, size_t bytes);
/* The longest record: at least 1 MiB, usually 60 MiB. */
size_t out_longest(const struct out *o);
/* The record that out_room made room for is finished; `end` is behind its last byte. */
void out_record(struct out *o, uint8_t *end);
/* Number of the STRING record of this text, written now when it is new; 0 for no text (NULL, or no bytes). Bytes that
 * are not UTF-8 are the reader's business. Not between out_room and out_record. */
uint32_t out_string(struct out *o, const char *text, size_t bytes);
/* Puts an address as records of `kind` (OBJECT, TEXT) have it: against the last one in this piece. Between out_room
 * and out_record, at most PT_VARINT_MAX bytes; returns what is behind them. */
uint8_t *out_address(struct out *o, enum pt_record kind, uint8_t *p, uint64_t address);
/* A FACT. */
void out_fact(struct out *o, const char *key, uint64_t value);
/* Zeroed memory of the copy, aligned to a page and given back by nobody; NULL when the system has none. Costs nothing
 * until it is touched. */
void *out_memory(struct out *o, size_t bytes);
/* Whether records still reach the file: when not, the rest of the walk is for nothing. */
bool out_is_good(const struct out *o);

/* ---- for copy.c ---- */

struct out_file {
	int fd;
	struct pt_front *front;      /* mapped shared: where the file ends */
	uint64_t max_bytes;          /* that the file may have */
	_Atomic(uint64_t) *progress; /* goes up with each record, in memory that the program sees */
};
/* Opens the stream of snapshot `number`, of the moment now_ns since the start of the trace. NULL: no memory. */
struct out *out_begin(const struct out_file *file, uint32_t number, uint64_t now_ns);
/* Writes what is left. False when something could not be written. */
bool out_end(struct out *o);
