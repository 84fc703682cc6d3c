/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts: see counts.h
 *
 * Free-threaded: local + (shared >> 2), the lower two bits of shared being the state (Include/refcount.h). Two things
 * make the sum exact at each of the words' writes:
 * - merged (state 3): the owner's part was added to shared before it is set to 0, so it does not count any more;
 * - queued (state 2): a thread that gave a reference back of which the shared part had none has left it to the owner,
 *   who takes it off when it merges. It was given back then, so it does not count.
 */
#include "preload/py/objects/counts.h"

#include "preload/cpu/exchange.h"
#include "preload/py/parts.h"

#include <string.h>

enum { GC_DEFERRED = 64 };
enum { SHARED_QUEUED = 2, SHARED_MERGED = 3, SHARED_STATE = 3, SHARED_SHIFT = 2 };
/* Free-threaded heads: 3.13 and 3.14 (cpython-facts of both: tests/run -k watch). */
enum { GC_BITS_AT = 11, LOCAL_AT = 12, SHARED_AT = 16 };

static const struct py_count_part whole[] = { { 0, 8 } }, half[] = { { 0, 4 } },
				  threaded[] = { { LOCAL_AT, 4 }, { SHARED_AT, 8 } };

unsigned py_count_parts(const struct py_count_part **ret_parts)
{
	if (!py_layout.minor)
		return 0;
	*ret_parts = py_layout.free_threaded ? threaded : py_layout.minor >= 12 ? half : whole;
	return py_layout.free_threaded ? 2 : 1;
}

static struct py_count read_threaded(const char *object)
{
	uint32_t local = PY_AT(uint32_t, object, LOCAL_AT);
	int64_t shared = PY_AT(int64_t, object, SHARED_AT);
	unsigned state = (unsigned)shared & SHARED_STATE;

	if (local == UINT32_MAX || PY_AT(uint8_t, object, GC_BITS_AT) & GC_DEFERRED)
		return (struct py_count){ 0, PY_COUNT_IMMORTAL };
	shared >>= SHARED_SHIFT;
	if (state == SHARED_MERGED)
		return (struct py_count){ shared, PY_COUNT_MERGED };
	return (struct py_count){ shared + local - (state == SHARED_QUEUED), PY_COUNT_PLAIN };
}

struct py_count py_count_read(const char *object)
{
	int32_t count;

	if (py_layout.free_threaded)
		return read_threaded(object);
	if (py_layout.minor <= 11)
		return (struct py_count){ PY_AT(int64_t, object, 0), PY_COUNT_PLAIN };
	count = PY_AT(int32_t, object, 0);
	return count < 0 ? (struct py_count){ 0, PY_COUNT_IMMORTAL } : (struct py_count){ count, PY_COUNT_PLAIN };
}

/* What a shared word says by itself. */
static int64_t share(int64_t shared) { return (shared >> SHARED_SHIFT) - ((shared & SHARED_STATE) == SHARED_QUEUED); }

struct py_count_words py_count_words(const char *object)
{
	if (!py_layout.free_threaded)
		return (struct py_count_words){ 0, 0 };
	return (struct py_count_words){ PY_AT(uint32_t, object, LOCAL_AT), PY_AT(int64_t, object, SHARED_AT) };
}

bool py_count_change(const char *object, unsigned part, const struct cpu_exchange *exchange,
		     struct py_count_words *last, int64_t *ret_delta)
{
	uint32_t local = PY_AT(uint32_t, object, LOCAL_AT);
	bool merged = (PY_AT(int64_t, object, SHARED_AT) & SHARED_STATE) == SHARED_MERGED;

	if (!py_layout.free_threaded)
		return false;
	if (part == 0) { /* when it is merged the owner's part goes, and is in the other already */
		*ret_delta = merged ? 0 : (int64_t)local - last->local;
		last->local = local;
		return true;
	}
	if (!exchange)
		return false;
	if (exchange->is_sum)
		*ret_delta = exchange->by >> SHARED_SHIFT;
	else
		*ret_delta = share(exchange->to) - share(exchange->from) -
			     ((exchange->to & SHARED_STATE) == SHARED_MERGED &&
					      (exchange->from & SHARED_STATE) != SHARED_MERGED
				      ? (int64_t)last->local
				      : 0);
	return true;
}

uint32_t py_object_type_offset(void) { return py_layout.object_type; }
const char *py_object_type_word(const char *object) { return PY_AT(const char *, object, py_layout.object_type); }

bool py_object_is_buffer(const char *object)
{
	enum { FLAG_BYTES = 1 << 27, BASES_MAX = 32 };
	static const char foreign[] = "_ctypes.";
	const char *type = py_object_type_word(object);

	for (int i = 0; type && i < BASES_MAX; i++, type = PY_AT(const char *, type, py_layout.type_base)) {
		const char *name = PY_AT(const char *, type, py_layout.type_name);

		if (PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_BYTES ||
		    !strncmp(name, foreign, sizeof foreign - 1))
			return true;
	}
	return false;
}
