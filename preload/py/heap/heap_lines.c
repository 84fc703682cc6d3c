/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_lines: the line of an instruction, by the line table of its code object
 *
 * The three encodings are those of FORMAT.md, "Line tables"; all count instructions in bytes. The analyzer decodes them
 * too, from copies in the trace; a snapshot says the lines of a few frames itself.
 */
#include "preload/py/heap/heap_parts.h"

struct table {
	const uint8_t *at, *end;
};

static unsigned pairs_to_39(struct table t, int line, uint32_t offset)
{
	for (uint32_t at = 0; t.at + 1 < t.end; t.at += 2) {
		at += t.at[0];
		if (at > offset)
			break;
		line += (int8_t)t.at[1];
	}
	return (unsigned)line;
}

static unsigned ranges_of_310(struct table t, int line, uint32_t offset)
{
	unsigned first = (unsigned)line;

	for (uint32_t at = 0; t.at + 1 < t.end; t.at += 2) {
		bool none = (int8_t)t.at[1] == -128;

		line += none ? 0 : (int8_t)t.at[1];
		at += t.at[0];
		if (offset < at)
			return none ? first : (unsigned)line;
	}
	return first;
}

static uint32_t number(struct table *t)
{
	uint32_t v = 0;

	for (unsigned shift = 0; t->at < t->end && shift < 30; shift += 6) {
		uint8_t byte = *t->at++;

		v |= (byte & 63u) << shift;
		if (!(byte & 64))
			break;
	}
	return v;
}

static int signed_number(struct table *t)
{
	uint32_t v = number(t);

	return v & 1 ? -(int)(v >> 1) : (int)(v >> 1);
}

/* One entry: how much the line moves; what else it says is in front of the next byte with its top bit set. */
static unsigned locations(struct table t, int line, uint32_t offset)
{
	unsigned first = (unsigned)line;

	for (uint32_t at = 0; t.at < t.end;) {
		unsigned code = *t.at >> 3 & 15;

		at += ((*t.at++ & 7u) + 1) * 2;
		if (code == 13 || code == 14)
			line += signed_number(&t);
		else if (code >= 10 && code <= 12)
			line += (int)code - 10;
		if (offset < at)
			return code == 15 ? first : (unsigned)line;
		while (t.at < t.end && !(*t.at & 128))
			t.at++;
	}
	return first;
}

unsigned heap_line_of(const char *code, uint32_t offset)
{
	const char *bytes = heap_word(code, py_layout.code_table);
	const uint8_t *start = (const uint8_t *)bytes + py_layout.bytes_data;
	struct table t = { start, start + PY_AT(uint64_t, bytes, py_layout.var_size) };
	int line = PY_AT(int32_t, code, py_layout.code_first_line);

	if (py_layout.minor <= 9)
		return pairs_to_39(t, line, offset);
	return py_layout.minor == 10 ? ranges_of_310(t, line, offset) : locations(t, line, offset);
}
