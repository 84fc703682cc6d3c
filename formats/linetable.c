/* SPDX-License-Identifier: Apache-2.0 */
/* linetable: FORMAT.md, "Line tables", describes the three codings that are decoded here. */
#include "formats/linetable.h"

static const struct pt_position no_position = { 0, 0, -1, -1 };

static struct pt_position whole_line(int64_t line)
{
	if (line <= 0 || line > INT32_MAX)
		return no_position;
	return (struct pt_position){ (int32_t)line, (int32_t)line, -1, -1 };
}

/* ---- 3.8, 3.9: pairs (bytes, lines), the line changes at the sum of the bytes ---- */

static struct pt_position find_lnotab(const struct pt_linetable_in *c, uint32_t offset)
{
	int64_t line = c->first_line;
	uint64_t at = 0;

	for (uint32_t i = 0; i + 1 < c->bytes; i += 2) {
		at += c->table[i];
		if (at > offset)
			break;
		line += (int8_t)c->table[i + 1];
	}
	return whole_line(line);
}

/* ---- 3.10: pairs (bytes, lines), each covers a range; -128: that range has no line ---- */

static struct pt_position find_310(const struct pt_linetable_in *c, uint32_t offset)
{
	int64_t line = c->first_line;
	uint64_t end = 0;

	for (uint32_t i = 0; i + 1 < c->bytes; i += 2) {
		int8_t delta = (int8_t)c->table[i + 1];

		end += c->table[i];
		if (delta != -128)
			line += delta;
		if (offset < end)
			return delta == -128 ? no_position : whole_line(line);
	}
	return no_position;
}

/* ---- 3.11: entries of variable length, with columns ---- */

enum {
	ENTRY_ONE_LINE = 10, /* to 12: this many lines more than 10, and two columns of a byte */
	ENTRY_NO_COLUMNS = 13,
	ENTRY_LONG = 14,
	ENTRY_NO_LINE = 15,
};

struct table_reader {
	const uint8_t *at, *end;
};

static uint8_t get_byte(struct table_reader *r) { return r->at < r->end ? *r->at++ : 0; }

/* Six bits a byte, the least significant first; bit 6: more follow. */
static uint32_t get_varint(struct table_reader *r)
{
	uint32_t v = 0;

	for (unsigned shift = 0; r->at < r->end; shift += 6) {
		uint8_t byte = *r->at++;

		if (shift < 32)
			v |= (uint32_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
	}
	return v;
}

static int32_t get_signed(struct table_reader *r)
{
	uint32_t v = get_varint(r);

	return v & 1 ? -(int32_t)(v >> 1) : (int32_t)(v >> 1);
}

/* Reads what follows the first byte of an entry; *line goes on to the next entry. */
static struct pt_position get_entry(struct table_reader *r, unsigned code, int64_t *line)
{
	struct pt_position p;
	uint8_t byte;

	switch (code) {
	case ENTRY_NO_LINE: return no_position;
	case ENTRY_NO_COLUMNS: return whole_line(*line += get_signed(r));
	case ENTRY_LONG:
		p = whole_line(*line += get_signed(r));
		p.end_line = (int32_t)((uint32_t)p.line + get_varint(r));
		p.column = (int32_t)(get_varint(r) - 1);
		p.end_column = (int32_t)(get_varint(r) - 1);
		return p;
	case ENTRY_ONE_LINE:
	case ENTRY_ONE_LINE + 1:
	case ENTRY_ONE_LINE + 2:
		p = whole_line(*line += code - ENTRY_ONE_LINE);
		p.column = get_byte(r);
		p.end_column = get_byte(r);
		return p;
	default:
		p = whole_line(*line);
		byte = get_byte(r);
		p.column = (int32_t)(code << 3 | byte >> 4);
		p.end_column = p.column + (byte & 15);
		return p;
	}
}

static struct pt_position find_311(const struct pt_linetable_in *c, uint32_t offset)
{
	struct table_reader r = { c->table, c->table + c->bytes };
	int64_t line = c->first_line;
	uint64_t end = 0;

	while (r.at < r.end) {
		uint8_t first = *r.at++;
		struct pt_position p;

		if (!(first & 128))
			continue; /* damage: an entry starts with bit 7 set */
		p = get_entry(&r, first >> 3 & 15, &line);
		end += 2 * ((first & 7u) + 1);
		if (offset < end)
			return p;
	}
	return no_position;
}

struct pt_position pt_linetable_find(const struct pt_linetable_in *c, uint32_t offset)
{
	if (offset == PT_OFFSET_NONE)
		return whole_line(c->first_line);
	switch (c->kind) {
	case PT_LINETABLE_LNOTAB: return find_lnotab(c, offset);
	case PT_LINETABLE_310: return find_310(c, offset);
	case PT_LINETABLE_311: return find_311(c, offset);
	default: return whole_line(c->first_line);
	}
}
