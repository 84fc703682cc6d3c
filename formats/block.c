/* SPDX-License-Identifier: Apache-2.0 */
/* block: checksums of the structs that lie in a trace file. */
#include "formats/block.h"

#define XXH_INLINE_ALL
#define XXH_NO_STREAM
#include <xxhash.h>

uint64_t pt_xxh3(const void *data, size_t len) { return XXH3_64bits(data, len); }

static uint64_t block_xxh3(const struct pt_block *b) { return pt_xxh3(b, offsetof(struct pt_block, header_xxh3)); }

void pt_block_seal(struct pt_block *b)
{
	b->magic = PT_BLOCK_MAGIC;
	b->header_xxh3 = block_xxh3(b);
}

bool pt_block_is_valid(const struct pt_block *b)
{
	return b->magic == PT_BLOCK_MAGIC && b->header_xxh3 == block_xxh3(b);
}

static uint64_t front_xxh3(const struct pt_front *f) { return pt_xxh3(f, offsetof(struct pt_front, fixed_xxh3)); }

void pt_front_seal(struct pt_front *f) { f->fixed_xxh3 = front_xxh3(f); }

bool pt_front_is_valid(const struct pt_front *f) { return f->fixed_xxh3 == front_xxh3(f); }
