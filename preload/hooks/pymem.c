/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pymem: CPython's allocators, one set of four functions a domain
 *
 * `ctx` is the allocator that was in force before. MEM and OBJ run with the GIL held, RAW may not. The malloc that a
 * domain falls back to for large blocks runs at DEPTH_REAL and is no event of its own. Arenas are recorded although
 * they are nested: their layer is not counted.
 */
#include "preload/hooks/pymem.h"
#include "preload/hooks/hook.h"
#include "preload/py/objects/pools.h"
#include "preload/watch/pages.h"
#include "preload/watch/watch.h"

static inline struct thread *enter(bool has_gil)
{
	struct thread *t = thread_enter();

	if (t && unlikely(py_finalizing() != lifecycle_fini_seen))
		lifecycle_fini_changed(t, has_gil ? LIFECYCLE_HAS_GIL : LIFECYCLE_ANYWHERE);
	return t;
}

/* The same for the release of an object: everything is whole but that one, and nobody reaches that any more. */
static inline struct thread *enter_release(void)
{
	struct thread *t = thread_enter();

	if (t && unlikely(py_finalizing() != lifecycle_fini_seen))
		lifecycle_fini_changed(t, LIFECYCLE_RELEASES);
	return t;
}

void hook_object_born(struct thread *t, const void *block, size_t bytes, uint32_t stack)
{
	uint8_t wanted = atomic_load(&objects_wanted);

	if (wanted & OBJECTS_LIVES)
		lives_allocated(t, block);
	if (wanted & OBJECTS_WATCH)
		watch_born(t, block, bytes, stack);
}

void hook_object_dies(struct thread *t, const void *block, uint32_t type)
{
	uint8_t wanted = atomic_load(&objects_wanted);

	if (wanted & OBJECTS_WATCH)
		watch_dies(t, block);
	if (wanted & OBJECTS_LIVES)
		lives_free(t, block, type);
}

/* What is told of an object is told of an address. */
void hook_object_moves(struct thread *t, const void *block)
{
	if (watch_is_on())
		watch_dies(t, block);
}

static inline __attribute__((always_inline)) void *do_malloc(const struct py_allocator *below, size_t size,
							     enum pt_layer layer, bool has_gil)
{
	struct thread *t = enter(has_gil);
	void *p = below->malloc(below->ctx, size);

	if (t) {
		hook_alloc(t, layer, p, size, CPU_FRAME(), has_gil);
		thread_leave(t);
	}
	return p;
}

static inline __attribute__((always_inline)) void *do_calloc(const struct py_allocator *below, size_t n, size_t size,
							     enum pt_layer layer, bool has_gil)
{
	struct thread *t = enter(has_gil);
	void *p = below->calloc(below->ctx, n, size);

	if (t) {
		hook_alloc(t, layer, p, n * size, CPU_FRAME(), has_gil);
		thread_leave(t);
	}
	return p;
}

/* ---- objects on pages of their own (watch/pages.h) ---- */

static inline bool pages_are_wanted(void)
{
	return atomic_load_explicit(&objects_wanted, memory_order_relaxed) & OBJECTS_PAGES;
}

/* In place of do_malloc and do_calloc: who is asked whether it is such an object wants its stack. */
static void *do_serve(const struct py_allocator *below, size_t n, size_t size, bool zero, const void *frame)
{
	struct thread *t = enter(true);
	size_t before;
	uint32_t stack = 0;
	void *p = NULL;
	bool serves = false;

	if (t && !tracer_is_paused()) {
		thread_depth(t, DEPTH_OWN);
		stack = hook_stack(t, frame, true);
		serves = watch_serves(t, n * size, stack, &before);
		thread_depth(t, DEPTH_REAL);
	}
	if (serves)
		p = pages_malloc(below, n * size, zero, before);
	if (!p)
		p = zero ? below->calloc(below->ctx, n, size) : below->malloc(below->ctx, n * size);
	if (t && p && tracer_is_paused()) {
		thread_depth(t, DEPTH_OWN);
		pause_alloc(t, PT_LAYER_OBJECT, p, n * size);
	} else if (t) {
		hook_allocated(t, PT_LAYER_OBJECT, p, n * size, stack);
	}
	if (t)
		thread_leave(t);
	return p;
}

/* The call of the allocator below, for a block that may be such a one. */
static inline void give_back(const struct py_allocator *below, void *p)
{
	if (unlikely(pages_are_wanted()) && pages_owns(p))
		pages_free(below, p);
	else
		below->free(below->ctx, p);
}

static inline void *give_another(const struct py_allocator *below, void *p, size_t size)
{
	if (unlikely(pages_are_wanted()) && p && pages_owns(p))
		return pages_realloc(below, p, size);
	return below->realloc(below->ctx, p, size);
}

static inline __attribute__((always_inline)) void *do_realloc(const struct py_allocator *below, void *p, size_t size,
							      enum pt_layer layer, bool has_gil)
{
	struct thread *t = enter(has_gil);
	uint32_t stack;
	void *q;

	if (!t)
		return give_another(below, p, size);
	if (p) {
		stack = hook_move(t, layer, p, CPU_FRAME(), has_gil);
		q = give_another(below, p, size);
		hook_moved(t, layer, p, q, size, stack);
		if (layer == PT_LAYER_OBJECT && q && unlikely(objects_are_wanted()) && !tracer_is_paused())
			hook_object_born(t, q, size, stack);
	} else {
		q = below->realloc(below->ctx, p, size);
		hook_alloc(t, layer, q, size, CPU_FRAME(), has_gil);
	}
	thread_leave(t);
	return q;
}

static inline void do_free(const struct py_allocator *below, void *p, enum pt_layer layer, bool has_gil)
{
	struct thread *t;

	if (!p)
		return;
	t = enter(has_gil);
	if (t)
		hook_free(t, layer, p, has_gil);
	give_back(below, p);
	if (t)
		thread_leave(t);
}

/* CPU_FRAME() is that of the function they are inlined into, which CPython called. */
#define DOMAIN(name, LAYER, has_gil)                                                                        \
	static void *name##_malloc(void *ctx, size_t size) { return do_malloc(ctx, size, LAYER, has_gil); } \
	static void *name##_calloc(void *ctx, size_t n, size_t size) { return do_calloc(ctx, n, size, LAYER, has_gil); }

DOMAIN(raw, PT_LAYER_RAW, false)
DOMAIN(mem, PT_LAYER_MEM, true)

/* A block of this domain may become a type, at an address where another one was. */
static void *obj_malloc(void *ctx, size_t size)
{
	void *p;

	if (unlikely(pages_are_wanted()))
		p = do_serve(ctx, 1, size, false, CPU_FRAME());
	else
		p = do_malloc(ctx, size, PT_LAYER_OBJECT, true);
	py_block_born(p, size);
	return p;
}

static void *obj_calloc(void *ctx, size_t n, size_t size)
{
	void *p;

	if (unlikely(pages_are_wanted()))
		p = do_serve(ctx, n, size, true, CPU_FRAME());
	else
		p = do_calloc(ctx, n, size, PT_LAYER_OBJECT, true);
	py_block_born(p, n * size);
	return p;
}

static void *raw_realloc(void *ctx, void *p, size_t size) { return do_realloc(ctx, p, size, PT_LAYER_RAW, false); }
static void *mem_realloc(void *ctx, void *p, size_t size) { return do_realloc(ctx, p, size, PT_LAYER_MEM, true); }
static void raw_free(void *ctx, void *p) { do_free(ctx, p, PT_LAYER_RAW, false); }
static void mem_free(void *ctx, void *p) { do_free(ctx, p, PT_LAYER_MEM, true); }

/* And it may be a code object, whose id ends with it. */
static void *obj_realloc(void *ctx, void *p, size_t size)
{
	py_block_dies(p);
	return do_realloc(ctx, p, size, PT_LAYER_OBJECT, true);
}

static void obj_free(void *ctx, void *p)
{
	const struct py_allocator *below = ctx;
	struct thread *t;

	if (!p)
		return;
	py_block_dies(p);
	t = enter_release();
	if (t)
		hook_free_object(t, p);
	give_back(below, p);
	if (t)
		thread_leave(t);
}

static void *arena_hook_alloc(void *ctx, size_t size)
{
	const struct py_arena_allocator *below = ctx;
	bool nested;
	struct thread *t = hook_enter_inner(&nested);
	void *p = below->alloc(below->ctx, size);

	if (t) {
		hook_alloc(t, PT_LAYER_ARENA, p, size, CPU_FRAME(), true);
		hook_leave_inner(t, nested);
	}
	py_pools_arena(p, size);
	return p;
}

static void arena_hook_free(void *ctx, void *p, size_t size)
{
	const struct py_arena_allocator *below = ctx;
	bool nested;
	struct thread *t = hook_enter_inner(&nested);

	if (t)
		hook_free(t, PT_LAYER_ARENA, p, true);
	py_pools_no_arena(p);
	below->free(below->ctx, p, size);
	if (t)
		hook_leave_inner(t, nested);
}

const struct py_hooks pymem_hooks = {
	.domain = {
		[PY_DOMAIN_RAW] = { NULL, raw_malloc, raw_calloc, raw_realloc, raw_free },
		[PY_DOMAIN_MEM] = { NULL, mem_malloc, mem_calloc, mem_realloc, mem_free },
		[PY_DOMAIN_OBJ] = { NULL, obj_malloc, obj_calloc, obj_realloc, obj_free },
	},
	.arena = { NULL, arena_hook_alloc, arena_hook_free },
};
