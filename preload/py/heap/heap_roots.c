/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_roots: where references come from that no object holds
 *
 * Members of thread states and interpreters, by the table of their offsets. A build may have a few words more than the
 * headers that the table is from (debug builds do), so what is no object there is passed over.
 */
#include "preload/py/heap/heap_parts.h"

#include <string.h>

enum { HANDLERS_MAX = 1 << 12, DEBUG_WORD = 8 };

static bool is_object(const char *p)
{
	if (!p || ((uintptr_t)p & 7) || (!heap_may_be_block(p) && !heap_is_static(p)))
		return false;
	return heap_type_of(p) != NULL;
}

void heap_roots_put(enum pt_root kind, uint32_t label, uint32_t detail, uint64_t number)
{
	uint64_t n = heap.named.n, room = out_longest(heap.out) / (2 * PT_VARINT_MAX) - 8;
	uint8_t *p;

	if (n > room)
		n = room;
	p = out_room(heap.out, 1 + 5 * PT_VARINT_MAX + n * 2 * PT_VARINT_MAX);
	*p++ = PT_RECORD_ROOT;
	p = pt_put_varint(p, kind);
	p = pt_put_varint(p, label);
	p = pt_put_varint(p, detail);
	p = pt_put_varint(p, number);
	p = pt_put_varint(p, n);
	for (uint64_t i = 0; i < n; i++) {
		p = pt_put_delta(p, (uintptr_t)heap.named.at[i].target, 0);
		p = pt_put_varint(p, (uint64_t)heap.named.at[i].name << 2 | heap.named.at[i].flags);
	}
	out_record(heap.out, p);
	for (uint64_t i = 0; i < n; i++)
		heap_meet(heap.named.at[i].target);
	heap_drain();
}

static void put(const char *target, const char *name)
{
	if (is_object(target))
		heap_named_put(target, heap_text_string(name), 0, NULL);
}

/* ---- thread states ---- */

/* The thread's own handled exception is at the end of the chain: those before it belong to generators. Up to 3.10 it is
 * three objects. */
static void put_handled(const char *tstate)
{
	const char *item = heap_word(tstate, py_layout.ts_exc_info);

	for (int i = 0; item && heap_word(item, py_layout.exc_previous) && i < HANDLERS_MAX; i++)
		item = heap_word(item, py_layout.exc_previous);
	for (unsigned at = 0; item && at < py_layout.exc_previous; at += 8)
		put(heap_word(item, at), "handled exception");
}

void heap_roots_of_thread(const char *tstate)
{
	const struct {
		const char *name;
		uint16_t field;
	} parts[] = {
		{ "dict", py_layout.ts_objects },
		{ "context", py_layout.ts_context },
		{ "async_exc", py_layout.ts_async_exc },
		{ "asyncgen firstiter", py_layout.ts_first_iter },
		{ "asyncgen finalizer", py_layout.ts_finalizer },
		{ "profile function", py_layout.ts_profile },
		{ "trace function", py_layout.ts_trace },
		{ "running loop", py_layout.ts_loop },
		{ "current task", py_layout.ts_task },
	};

	heap.named.n = 0;
	heap_frames_borrowed(tstate);
	for (unsigned at = 0; at < (py_layout.minor <= 11 ? 24u : 8u); at += 8)
		put(heap_word(tstate, py_layout.ts_exception + at), "raised exception");
	put_handled(tstate);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].field)
			put(heap_word(tstate, parts[i].field), parts[i].name);
	heap_roots_put(PT_ROOT_THREAD, heap_text_string("thread"), 0,
		       py_layout.ts_native_id ? PY_AT(uint64_t, tstate, py_layout.ts_native_id) : 0);
	heap_frames_of_thread(tstate);
}

/* ---- interpreters ---- */

const char *heap_collector(const char *interp)
{
	return py_layout.run_gc ? py_symbols.runtime + py_layout.run_gc : interp + py_layout.interp_gc;
}

/* Where a member of an interpreter lies that it does not publish: releases may differ, and debug builds have a word
 * more in front of the later ones (3.13 on). */
static uint32_t shifted(uint32_t field)
{
	bool later = field >= py_layout.interp_dict && py_layout.minor >= 13;

	if (field == py_layout.interp_modules || field == py_layout.interp_sysdict ||
	    field == py_layout.interp_builtins)
		return field;
	return field + (uint32_t)py_layout_interp_shift() + (later && py_info()->debug ? DEBUG_WORD : 0);
}

/* 3.8 has one for all. */
static bool has_collector(const char *interp)
{
	return !py_layout.run_gc || interp == PY_AT(char *, py_symbols.runtime, py_layout.run_main);
}

static void write_interpreter(const char *interp, uint64_t id)
{
	const struct {
		const char *name;
		uint32_t field;
	} parts[] = {
		{ "sys.modules", py_layout.interp_modules },
		{ "modules by index", py_layout.interp_by_index },
		{ "sys.__dict__", py_layout.interp_sysdict },
		{ "builtins.__dict__", py_layout.interp_builtins },
		{ "importlib", py_layout.interp_importlib },
		{ "__import__", py_layout.interp_import },
		{ "codecs", py_layout.interp_codecs },
		{ "codec cache", py_layout.interp_codec_cache },
		{ "codec errors", py_layout.interp_codec_errors },
		{ "interpreter dict", py_layout.interp_dict },
		{ "copy of builtins.__dict__", py_layout.interp_builtins_copy },
		{ "copy of sys.__dict__", py_layout.interp_sysdict_copy },
		{ "before fork", py_layout.interp_before_forkers },
		{ "after fork in parent", py_layout.interp_parent_forkers },
		{ "after fork in child", py_layout.interp_child_forkers },
		{ "audit hooks", py_layout.interp_audit_hooks },
		{ "warnings.filters", py_layout.interp_warn_filters },
		{ "warnings.onceregistry", py_layout.interp_warn_once },
		{ "warnings.defaultaction", py_layout.interp_warn_action },
	};

	heap.named.n = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].field)
			put(PY_AT(char *, interp, shifted(parts[i].field)), parts[i].name);
	if (has_collector(interp))
		put(heap_word(heap_collector(interp), py_layout.gc_callbacks), "gc.callbacks");
	heap_roots_put(PT_ROOT_INTERPRETER, heap_text_string("interpreter"), 0, id);
	if (!has_collector(interp))
		return;
	heap.named.n = 0;
	put(heap_word(heap_collector(interp), py_layout.gc_garbage), "gc.garbage");
	heap_roots_put(PT_ROOT_GARBAGE, heap_text_string("gc.garbage"), 0, id);
}

/* A subinterpreter has dicts of its own for the static types of CPython (3.12 on); edges lead to the main one's. */
static void write_static_types(const char *interp)
{
	const struct {
		uint32_t array, bytes;
	} arrays[] = {
		{ py_layout.interp_types, py_layout.interp_types_bytes },
		{ py_layout.interp_extensions, py_layout.interp_extensions_bytes },
	};

	heap.named.n = 0;
	for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
		for (uint32_t i = 0; arrays[a].array && i < arrays[a].bytes / py_layout.static_bytes; i++) {
			const char *entry = heap_type_entry(interp, arrays[a].array, i);

			if (!entry || !heap_word(entry, py_layout.static_type))
				break;
			put(heap_word(entry, py_layout.static_dict), "__dict__");
			put(heap_word(entry, py_layout.static_subclasses), "__subclasses__");
		}
	heap_roots_put(PT_ROOT_TYPE, heap_text_string("static types"), 0, PY_AT(uint64_t, interp, py_layout.interp_id));
}

void heap_roots_of_interpreter(const char *interp)
{
	write_interpreter(interp, PY_AT(uint64_t, interp, py_layout.interp_id));
	if (py_layout.interp_types && interp != PY_AT(char *, py_symbols.runtime, py_layout.run_main))
		write_static_types(interp);
}

/* ---- static types ---- */

/* A type that was never made is held by whoever has the library. */
static void write_static_type(const char *type)
{
	char name[PY_TYPE_NAME_MAX];
	size_t bytes = py_type_name(type, name);
	uint32_t label = out_string(heap.out, name, bytes);

	heap.named.n = 0;
	heap_named_put(type, heap_text_string("type"), 0, NULL);
	heap_roots_put(PT_ROOT_TYPE, label, 0, 0);
}

/* By number: the table grows while they are written. Those that have no objects are in no table, but hold nothing that
 * their base's __subclasses__ does not lead to. */
void heap_roots_of_types(void)
{
	for (uint32_t i = 0; i < heap.n_type_slots; i++)
		if (heap.types[i] && !heap.types[i]->is_class)
			write_static_type(heap.types[i]->address);
}
