/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/join.h"
#include "analyzer/heap/parts.h"

enum { CLAIMED_TWICE = UINT32_MAX - 1 /* of a raw pointer's target */ };

/* Distances between the start of a block and the object in it, as the types tell. */
static void list_befores(struct join *j)
{
	const unsigned most = sizeof j->befores / sizeof *j->befores;

	for (size_t i = 0; i < j->heap->types.n; i++) {
		uint64_t before = j->heap->types.at[i].before_bytes;
		bool known = !j->heap->types.at[i].n;

		for (unsigned k = 0; k < j->n_befores; k++)
			known |= j->befores[k] == before;
		if (!known && j->n_befores < most)
			j->befores[j->n_befores++] = before;
	}
}

/* Who claims what raw pointers lead to. A pointer to an object is a reference, if anything. */
static void list_claims(struct join *j)
{
	const struct heap *h = j->heap;

	for (size_t i = 0; i < h->raws.n; i++) {
		uint32_t *owner;

		if (h->raws.at[i].target != HEAP_NONE)
			continue;
		owner = map_at(&j->claimed, h->raws.at[i].address);
		if (*owner == MAP_NONE)
			*owner = h->raws.at[i].object;
		else if (*owner != h->raws.at[i].object)
			*owner = CLAIMED_TWICE;
	}
}

/* The object whose block starts there. */
static object_id object_in(const struct join *j, uint64_t block)
{
	for (unsigned i = 0; i < j->n_befores; i++) {
		object_id o = heap_find(j->heap, block + j->befores[i]);

		if (o != HEAP_NONE && heap_block(j->heap, o) == block)
			return o;
	}
	return HEAP_NONE;
}

static void join_object(struct join *j, object_id o, const struct live_block *b)
{
	const struct rebirth *reborn =
		rebirths_find(j->rebirths ? j->rebirths : &j->noted, j->heap->address[o], b->number);

	j->n_reborn += reborn != NULL;
	j->maker[o] = b->node;
	j->node[o] = reborn ? reborn->node : b->node;
	j->born_ns[o] = reborn ? reborn->ns : b->first_ns;
	j->number[o] = reborn ? reborn->number : b->number;
	j->bytes[o] += b->bytes - j->heap->bytes[o];
	j->n_joined++;
	j->joined_bytes += b->bytes;
}

static void join_block(void *self, const struct live_block *b)
{
	struct join *j = self;
	object_id o;
	uint32_t owner;

	if (b->mapping || !pt_layer_counted((enum pt_layer)b->layer))
		return;
	o = object_in(j, b->addr);
	if (o != HEAP_NONE) {
		join_object(j, o, b);
		return;
	}
	owner = map_find(&j->claimed, b->addr);
	if (owner >= CLAIMED_TWICE) {
		j->n_other++;
		j->other_bytes += b->bytes;
		return;
	}
	*array_push(&j->buffers) = (struct join_buffer){
		.owner = owner,
		.node = b->node,
		.address = b->addr,
		.bytes = b->bytes,
		.born_ns = b->first_ns,
		.number = b->number,
		.layer = b->layer,
		.moved = b->born_ns != b->first_ns,
	};
	j->bytes[owner] += b->bytes;
	j->n_buffers++;
	j->buffer_bytes += b->bytes;
	j->joined_bytes += b->bytes;
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct join *j = self;

	rebirths_note(&j->noted, j->heap->defs, ev, now->ns, j->last_number);
	if (ev->op != PT_OP_SNAPSHOT || ev->addr != j->heap->snapshot || j->found)
		return;
	j->found = true;
	j->ns = now->ns;
	j->heap->reason = (uint32_t)ev->size;
	list_claims(j);
	replay_each_live(r, join_block, j);
	heap_sort(j->buffers.at, j->buffers.n, sizeof *j->buffers.at, offsetof(struct join_buffer, owner));
	map_free(&j->claimed);
}

static void on_changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	struct join *j = self;

	(void)now;
	for (size_t i = n; !j->found && i-- > 0;) {
		if (c[i].kind != BLOCK_BORN || c[i].number < j->last_number)
			continue;
		j->last_number = c[i].number;
		break;
	}
}

void join_init(struct join *j, struct heap *h)
{
	*j = (struct join){ .heap = h, .model = { .self = j, .changes = on_changes, .event = on_event } };
	j->node = mem_alloc(h->n * sizeof *j->node);
	j->maker = mem_alloc(h->n * sizeof *j->maker);
	j->born_ns = mem_zero(h->n, sizeof *j->born_ns);
	j->number = mem_zero(h->n, sizeof *j->number);
	j->bytes = mem_alloc(h->n * sizeof *j->bytes);
	for (object_id o = 0; o < h->n; o++)
		j->node[o] = j->maker[o] = NODE_UNKNOWN;
	memcpy(j->bytes, h->bytes, h->n * sizeof *j->bytes);
	list_befores(j);
}

void join_free(struct join *j)
{
	free(j->node);
	free(j->maker);
	free(j->born_ns);
	free(j->number);
	free(j->bytes);
	array_free(&j->buffers);
	rebirths_free(&j->noted);
	map_free(&j->claimed);
	*j = (struct join){ 0 };
}

const struct join_buffer *join_buffers(const struct join *j, object_id o, size_t *ret_n)
{
	size_t low = 0, high = j->buffers.n, end;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (j->buffers.at[mid].owner < o)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < j->buffers.n && j->buffers.at[end].owner == o; end++)
		;
	*ret_n = end - low;
	return j->buffers.at + low;
}
