/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/net_lines.h"

#include <string.h>

/* The innermost Python frame at or below a node; NODE_EMPTY. */
static node_id python_at(const struct net_lines *l, node_id n)
{
	while (n > NODE_UNKNOWN && !net_lines_is_python(l, n))
		n = net_lines_node(l, n)->parent;
	return n > NODE_UNKNOWN ? n : NODE_EMPTY;
}

static uint32_t step_for(struct net_lines *l, uint32_t parent, uint32_t code, int32_t line)
{
	uint64_t key = map_mix(map_mix((uint64_t)parent << 32 | code) ^ (uint32_t)line);
	uint32_t *at = map_at(&l->step_at, key);

	if (*at == MAP_NONE) {
		uint32_t depth = parent ? l->steps.at[parent].depth + 1 : 1;

		*at = (uint32_t)l->steps.n;
		*array_push(&l->steps) = (struct net_step){ parent, depth, code, line };
	}
	return *at;
}

struct pt_position net_lines_position(const struct net_lines *l, node_id n)
{
	const struct node *node = net_lines_node(l, n);

	return lines_find(&l->defs->codes.at[node->code], node->offset);
}

/* Parents come first: a node's caller has a smaller number. Deep stacks are no deep recursion here. */
static uint32_t step_of_python(struct net_lines *l, node_id n)
{
	ARRAY(node_id) todo = { 0 };
	uint32_t step = 0;

	for (; n != NODE_EMPTY && !l->step_of[n]; n = python_at(l, net_lines_node(l, n)->parent))
		*array_push(&todo) = n;
	if (n != NODE_EMPTY)
		step = l->step_of[n];
	while (todo.n) {
		n = todo.at[--todo.n];
		step = l->step_of[n] = step_for(l, step, net_lines_node(l, n)->code, lines_site(l->defs, n).at.line);
	}
	array_free(&todo);
	return step;
}

/* The frame whose line did it; in code without any Python frame, the native one. */
node_id net_lines_frame(struct net_lines *l, node_id n)
{
	node_id python;

	if (l->frame_of[n] != NODE_EMPTY)
		return l->frame_of[n];
	python = python_at(l, n);
	return l->frame_of[n] = python != NODE_EMPTY ? python : n;
}

uint32_t net_lines_step(struct net_lines *l, node_id frame)
{
	if (l->step_of[frame])
		return l->step_of[frame];
	if (net_lines_is_python(l, frame))
		return step_of_python(l, frame);
	return l->step_of[frame] = step_for(l, 0, NET_NATIVE, (int32_t)net_lines_node(l, frame)->parent);
}

/* The caller's frame. */
node_id net_lines_up(struct net_lines *l, node_id frame)
{
	return net_lines_is_python(l, frame) ? python_at(l, net_lines_node(l, frame)->parent) : NODE_EMPTY;
}

uint32_t net_lines_offset(const struct net_lines *l, node_id frame)
{
	uint32_t offset = net_lines_node(l, frame)->offset;

	return !net_lines_is_python(l, frame) || offset == PT_OFFSET_NONE ? 0 : offset;
}

void net_lines_init(struct net_lines *l, const struct defs *defs)
{
	size_t n = defs->stacks.nodes.n;

	*l = (struct net_lines){ .defs = defs };
	l->step_of = mem_zero(n + 2, sizeof *l->step_of);
	l->frame_of = mem_zero(n + 2, sizeof *l->frame_of);
	l->ends = mem_zero(n + 2, sizeof *l->ends);
	*array_push(&l->steps) = (struct net_step){ 0 };
}

void net_lines_free(struct net_lines *l)
{
	free(l->step_of);
	free(l->frame_of);
	free(l->ends);
	array_free(&l->steps);
	map_free(&l->step_at);
	*l = (struct net_lines){ 0 };
}

/* ---- the last instructions of a line ---- */

/* net_lines.ends */
enum {
	ENDS_SEEN = 1,
	ENDS_LAST = 2, /* one more instruction follows in the line, or none: it takes what the line returns or binds */
	ENDS_RETURN = 4, /* the text says that the line returns something */
	ENDS_BIND = 8,   /* ... that it binds something, and calls nothing */
	ENDS_TEXT = 16,  /* the text is known */
};
enum { CODE_UNIT = 2 /* bytes */, CACHES_MAX = 32 /* units behind an instruction */ };

static bool is_same_place(const struct pt_position *a, const struct pt_position *b)
{
	return a->line == b->line && a->end_line == b->end_line && a->column == b->column &&
	       a->end_column == b->end_column;
}

/* Where the instruction at `offset` ends; what follows may be at the same place of the source. Without columns it can't
 * be told from the next one: it has no caches then. */
static uint32_t instruction_end(const struct code *code, uint32_t offset)
{
	struct pt_position at = lines_find(code, offset), next;
	uint32_t end = offset;

	if (code->linetable != PT_LINETABLE_311)
		return offset + CODE_UNIT;
	do {
		end += CODE_UNIT;
		next = lines_find(code, end);
	} while (is_same_place(&at, &next) && end < offset + CACHES_MAX * CODE_UNIT);
	return end;
}

/* The oldest kind of table does not say where the code ends: behind what was ever seen to run. */
static bool is_last_seen(const struct net_lines *l, uint32_t code, uint32_t offset)
{
	for (size_t i = 0; i < l->defs->stacks.nodes.n; i++) {
		const struct node *n = &l->defs->stacks.nodes.at[i];

		if (i > NODE_UNKNOWN && n->kind == NODE_PYTHON && n->code == code && n->offset != PT_OFFSET_NONE &&
		    n->offset > offset + CODE_UNIT)
			return false;
	}
	return true;
}

/* Whether the instruction is the last but one of its line, or the last: it takes what the line returns,
 * or binds to a variable. */
static bool find_returns(const struct net_lines *l, node_id frame)
{
	const struct code *code = &l->defs->codes.at[net_lines_node(l, frame)->code];
	uint32_t offset = net_lines_offset(l, frame), end = instruction_end(code, offset);
	int32_t line = lines_find(code, offset).line;

	if (code->linetable == PT_LINETABLE_LNOTAB && lines_find(code, UINT32_MAX - 1).line == line)
		return is_last_seen(l, net_lines_node(l, frame)->code, offset);
	if (lines_find(code, end).line != line)
		return line > 0 && end == offset + CODE_UNIT;
	return line > 0 && lines_find(code, end + CODE_UNIT).line != line;
}

static uint8_t read_text(struct net_lines *l, node_id frame)
{
	char buf[512];
	const char *text = l->text ? l->text(l->text_self, frame, buf, sizeof buf) : NULL, *word, *equals;

	if (!text || !*text)
		return 0;
	word = strstr(text, "return ");
	equals = strchr(text, '=');
	if (word && (word == text || word[-1] == ' ' || word[-1] == '\t' || word[-1] == ';'))
		return ENDS_TEXT | ENDS_RETURN;
	return equals && equals[1] != '=' && !strchr(text, '(') ? ENDS_TEXT | ENDS_BIND : ENDS_TEXT;
}

static uint8_t ends_of(struct net_lines *l, node_id frame)
{
	if (!net_lines_is_python(l, frame))
		return ENDS_SEEN;
	if (!l->ends[frame])
		l->ends[frame] = (uint8_t)(ENDS_SEEN | (find_returns(l, frame) ? ENDS_LAST : 0) | read_text(l, frame));
	return l->ends[frame];
}

bool net_lines_binds(struct net_lines *l, node_id frame)
{
	uint8_t ends = ends_of(l, frame);

	return ends & ENDS_LAST && (ends & ENDS_BIND || !(ends & ENDS_TEXT));
}

bool net_lines_returns(struct net_lines *l, node_id frame)
{
	uint8_t ends = ends_of(l, frame);

	return ends & ENDS_LAST && (ends & (ENDS_BIND | ENDS_RETURN) || !(ends & ENDS_TEXT));
}

uint32_t net_lines_depth(struct net_lines *l, node_id frame)
{
	uint32_t step = net_lines_step(l, frame);

	return l->steps.at[step].depth;
}

bool net_lines_is_return(struct net_lines *l, node_id frame) { return ends_of(l, frame) & ENDS_RETURN; }
