/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

void heap_free(struct heap *h)
{
	free(h->address);
	free(h->bytes);
	free(h->type);
	free(h->refcount);
	free(h->flags);
	free(h->first);
	free(h->target);
	free(h->label);
	array_free(&h->types);
	array_free(&h->roots);
	array_free(&h->root_targets);
	array_free(&h->root_labels);
	array_free(&h->texts);
	array_free(&h->raws);
	array_free(&h->facts);
	array_free(&h->areas);
	array_free(&h->runs);
	array_free(&h->lost);
	array_free(&h->lost_edges);
	array_free(&h->keepers);
	array_free(&h->kept);
	array_free(&h->string_at);
	array_free(&h->chars);
	free(h->pages);
	free(h->page_table);
	*h = (struct heap){ 0 };
}

const char *heap_text_of(const struct heap *h, heap_string s)
{
	return s && s < h->string_at.n ? h->chars.at + h->string_at.at[s] : "";
}

const char *heap_name(const struct heap *h, object_id o)
{
	size_t low = 0, high = h->texts.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->texts.at[mid].object < o)
			low = mid + 1;
		else
			high = mid;
	}
	return low < h->texts.n && h->texts.at[low].object == o ? heap_text_of(h, h->texts.at[low].text) : NULL;
}

size_t heap_first_raw(const struct heap *h, object_id o)
{
	size_t low = 0, high = h->raws.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->raws.at[mid].object < o)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const char *heap_type_name(const struct heap *h, object_id o)
{
	const char *name = heap_text_of(h, h->types.at[h->type[o]].name);

	return *name ? name : "?";
}

bool heap_fact(const struct heap *h, const char *key, uint64_t *ret_value)
{
	for (size_t i = 0; i < h->facts.n; i++) {
		if (strcmp(heap_text_of(h, h->facts.at[i].key), key))
			continue;
		*ret_value = h->facts.at[i].value;
		return true;
	}
	return false;
}

object_id heap_source(const struct heap *h, uint32_t edge)
{
	uint32_t low = 0, high = h->n;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (h->first[mid] <= edge)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* ---- names of edges ---- */

bool heap_is_identifier(const char *s)
{
	if (!*s || isdigit((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && !((unsigned char)*s & 0x80))
			return false;
	return true;
}

static struct heap_edge_name pair_name(const struct heap *h, object_id o, uint32_t e)
{
	struct heap_edge_name name = { .kind = HEAP_EDGE_IS_KEY, .text = "" };
	bool is_value = (e - h->first[o]) % 2;
	const char *text;

	if (is_value)
		name.kind = HEAP_EDGE_KEY;
	name.key = heap_target(h->target[is_value ? e - 1 : e]);
	text = name.key == HEAP_NONE ? NULL : heap_name(h, name.key);
	if (text)
		name.text = text;
	return name;
}

struct heap_edge_name heap_edge_name(const struct heap *h, object_id o, uint32_t e)
{
	struct heap_edge_name name = { .kind = HEAP_EDGE_PLAIN, .text = "", .key = HEAP_NONE };

	switch (h->flags[o] & PT_OBJECT_SHAPE) {
	case PT_EDGES_INDEXED:
		name.kind = HEAP_EDGE_INDEX;
		name.index = e - h->first[o];
		break;
	case PT_EDGES_PAIRS: return pair_name(h, o, e);
	case PT_EDGES_NAMED:
		name.text = heap_text_of(h, h->label[e] >> 2);
		if (*name.text)
			name.kind = heap_is_identifier(name.text) ? HEAP_EDGE_ATTRIBUTE : HEAP_EDGE_INNER;
		break;
	default: break;
	}
	return name;
}

/* A key as it would be written: 'u17', 17, <Point>. */
static int key_text(const struct heap *h, const struct heap_edge_name *name, const char *before, const char *after,
		    char *buf, size_t size)
{
	const char *type = name->key == HEAP_NONE ? "?" : heap_type_name(h, name->key);

	if (name->key == HEAP_NONE || !heap_name(h, name->key))
		return snprintf(buf, size, "%s<%s>%s", before, type, after);
	if (!strcmp(type, "str"))
		return snprintf(buf, size, "%s'%s'%s", before, name->text, after);
	return snprintf(buf, size, "%s%s%s", before, name->text, after);
}

int heap_edge_text(const struct heap *h, object_id o, uint32_t e, char *buf, size_t size)
{
	struct heap_edge_name name = heap_edge_name(h, o, e);

	switch (name.kind) {
	case HEAP_EDGE_ATTRIBUTE: return snprintf(buf, size, ".%s", name.text);
	case HEAP_EDGE_INNER: return snprintf(buf, size, "<%s>", name.text);
	case HEAP_EDGE_INDEX: return snprintf(buf, size, "[%" PRIu64 "]", name.index);
	case HEAP_EDGE_KEY: return key_text(h, &name, "[", "]", buf, size);
	case HEAP_EDGE_IS_KEY: return key_text(h, &name, " (key ", ")", buf, size);
	default: return snprintf(buf, size, "%s", "");
	}
}

object_id heap_root_holds(const struct heap *h, const struct heap_root *r, uint32_t edge)
{
	uint32_t target = h->root_targets.at[edge];

	if (heap_holds(target))
		return heap_target(target);
	if (r->kind != PT_ROOT_FRAME || !strcmp(heap_text_of(h, h->root_labels.at[edge] >> 2), "(stack)"))
		return HEAP_NONE;
	return heap_target(target);
}
