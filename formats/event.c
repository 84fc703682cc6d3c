/* SPDX-License-Identifier: Apache-2.0 */
/* event: names, shapes and the schema text, all expanded from events.def. */
#include "formats/event.h"

#include <string.h>

static const char *const memory_names[8] = {
#define PT_MEMORY(NAME, kind, shape, name) [kind] = name,
#include "formats/events.def"
};

struct event_row {
	const char *name, *field[2];
};

static const struct event_row event_rows[128] = {
#define PT_EVENT(NAME, op, shape, name, a, b) [(op)-128] = { name, { a, b } },
#include "formats/events.def"
};

static const struct {
	const char *name;
	bool counted;
} layer_rows[PT_LAYERS] = {
#define PT_LAYER(NAME, id, name, counted) [id] = { name, counted },
#include "formats/events.def"
};

static const char *const shape_names[] = {
	[PT_SHAPE_ALLOC] = "ALLOC", [PT_SHAPE_FREE] = "FREE",   [PT_SHAPE_RANGE] = "RANGE",
	[PT_SHAPE_PAIR] = "PAIR",   [PT_SHAPE_WORDS] = "WORDS", [PT_SHAPE_BYTES] = "BYTES",
};
enum { N_SHAPES = sizeof shape_names / sizeof *shape_names };

const uint8_t pt_shapes[256] = {
#define PT_MEMORY(NAME, kind, shape, name)    [(kind) << 4 ...((kind) << 4) + 15] = PT_SHAPE_##shape,
#define PT_EVENT(NAME, op, shape, name, a, b) [op] = PT_SHAPE_##shape,
#include "formats/events.def"
};

const char *pt_op_name(uint8_t op)
{
	return pt_op_is_memory(op) ? memory_names[pt_op_kind(op)] : event_rows[op - 128].name;
}

const char *pt_op_field(uint8_t op, int field)
{
	return pt_op_is_memory(op) ? NULL : event_rows[op - 128].field[field];
}

const char *pt_layer_name(enum pt_layer layer) { return (unsigned)layer < PT_LAYERS ? layer_rows[layer].name : NULL; }

bool pt_layer_counted(enum pt_layer layer) { return (unsigned)layer < PT_LAYERS && layer_rows[layer].counted; }

/* A bounded text under construction: `len` counts on when `cap` is reached, as snprintf does. */
struct text {
	char *buf;
	size_t cap, len;
};

static void text_add(struct text *t, const char *s)
{
	for (; *s; s++, t->len++)
		if (t->len < t->cap)
			t->buf[t->len] = *s;
}

static void text_row(struct text *t, uint8_t op)
{
	char digits[4] = { (char)('0' + op / 100), (char)('0' + op / 10 % 10), (char)('0' + op % 10), 0 };

	text_add(t, digits);
	text_add(t, " ");
	text_add(t, shape_names[pt_shapes[op]]);
	text_add(t, " ");
	text_add(t, pt_op_name(op));
	text_add(t, "\n");
}

size_t pt_schema_text(char *buf, size_t cap)
{
	struct text t = { buf, cap, 0 };

	for (unsigned kind = 0; kind < 8; kind++)
		text_row(&t, (uint8_t)(kind << 4));
	for (unsigned op = 128; op < 256; op++)
		if (pt_op_name((uint8_t)op))
			text_row(&t, (uint8_t)op);
	return t.len;
}

static uint8_t shape_from_name(const char *s, size_t len)
{
	for (uint8_t i = 1; i < N_SHAPES; i++)
		if (strlen(shape_names[i]) == len && !memcmp(shape_names[i], s, len))
			return i;
	return PT_SHAPE_NONE;
}

/* One line "op SHAPE name"; a memory kind's line stands for its sixteen layers. */
static void schema_line(const char *s, const char *end, uint8_t shapes[256])
{
	unsigned op = 0;
	const char *digits = s, *shape;
	uint8_t id;

	for (; s < end && *s >= '0' && *s <= '9' && op < 1000; s++)
		op = op * 10 + (unsigned)(*s - '0');
	if (s == digits || s == end || *s++ != ' ' || op > 255)
		return;
	for (shape = s; s < end && *s != ' '; s++)
		;
	id = shape_from_name(shape, (size_t)(s - shape));
	for (unsigned i = 0; i < (op < PT_OP_MEMORY_END ? PT_LAYERS : 1) && op + i < 256; i++)
		shapes[op + i] = id;
}

void pt_schema_parse(const char *text, size_t len, uint8_t shapes[256])
{
	const char *end = text + len;

	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));

		if (!eol)
			eol = end;
		schema_line(text, eol, shapes);
		text = eol + (eol < end);
	}
}
