/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout: where each version of CPython keeps what the tracer reads
 *
 * What:  byte offsets, one row per minor version and one for its free-threaded build, same names in all rows; 0 where a
 *        version has no such field.
 * Where from: the interpreters' own headers by scripts/gen-py-layout, which also checks the rows (`--check`). They hold
 *        for release and debug builds, static and shared, x86-64 and aarch64. From 3.13 the interpreter publishes some
 * of them itself (_Py_DebugOffsets at the start of _PyRuntime): those win over the row. Trust: none of them is used
 * before selftest.c saw it hold in the living interpreter. Who:   preload/py only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct py_layout {
	uint16_t minor, free_threaded;
	/* PyThreadState. ts_cframe 0: ts_top lies in the thread state itself, else in what cframe points to */
	uint16_t ts_interp, ts_cframe, ts_top, ts_tracing, ts_thread_id, ts_id;
	/* the data stack of 3.11 and later, which holds the frames: chunks, each with a header */
	uint16_t ts_chunk, ts_chunk_limit, chunk_previous, chunk_size, chunk_top, chunk_data;
	/* PyFrameObject up to 3.10, _PyInterpreterFrame since */
	uint16_t frame_code, frame_previous, frame_instr, frame_mark, frame_owner;
	uint16_t frame_entry; /* of 3.11: whether C code called the evaluation loop for the frame */
	/* free-threaded 3.14: which thread's copy of the instructions a frame runs; and a code object's array of copies
	 */
	uint16_t frame_copy, code_copies;
	/* free-threaded 3.14: a thread's counts of other objects, and references that C functions borrow; an
	 * interpreter's table of the objects that are so counted */
	uint16_t ts_counts, ts_c_refs, interp_ids;
	/* PyCodeObject. code_bytes: a bytes object up to 3.10, since then the instructions themselves */
	uint16_t code_flags, code_first_line, code_file, code_name, code_table, code_bytes, code_traceable;
	/* str (compact ones), bytes, object. str_kind: the bit in `state` where the kind begins */
	uint16_t str_length, str_state, str_kind, str_ascii, str_compact, bytes_data, var_size, object_type;
	/* What who.c and thread_name.c read. Up to 3.12 the running loop of asyncio is in a dict of the thread state;
	 * since 3.14 the running task is beside it, both at the same distance from the end (ts_size) of the public part
	 */
	uint16_t ts_dict, ts_size, ts_loop, ts_task, interp_modules, frame_locals, gen_frame, gen_qualname;
	/* types (type_keys: of classes), dicts, ints */
	uint16_t type_name, type_size, type_flags, type_base, type_dict_at, type_keys;
	uint16_t dict_keys, dict_values, int_digits;
	/* _PyRuntimeState; run_current, up to 3.11, is for x86-64: it lies behind a mutex, whose size differs */
	uint16_t run_initialized, run_finalizing, run_head, run_main, run_current;
	/*
	 * From here on: what heap*.c reads, in a copy of the program. The collector's state lies in _PyRuntime
	 * (run_gc, 3.8) or in each interpreter. gc_pointer: to the first generation, wherever that is.
	 */
	uint16_t run_gc, interp_gc, gc_enabled, gc_debug, gc_pointer, gc_permanent, gc_stats, gc_collecting, gc_garbage,
		gc_callbacks;
	/* What interpreters and thread states hold. interp_types and interp_extensions: what each keeps of static
	 * types, from 3.12 on */
	uint16_t interp_next, interp_id, interp_threads, interp_own_gil, interp_sysdict, interp_builtins,
		interp_by_index, interp_importlib, interp_import, interp_codecs, interp_codec_cache,
		interp_codec_errors, interp_dict, interp_builtins_copy, interp_sysdict_copy, interp_before_forkers,
		interp_parent_forkers, interp_child_forkers, interp_warn_filters, interp_warn_once, interp_warn_action;
	uint32_t interp_audit_hooks, interp_types, interp_types_bytes, interp_extensions, interp_extensions_bytes;
	/* What moment.c reads: whether anybody holds the GIL; of 3.8 whether pending calls are refused */
	uint16_t interp_gil, gil_locked, run_finishing;
	uint16_t static_bytes, static_type, static_dict, static_subclasses;
	uint16_t ts_next, ts_native_id, ts_exc_info, exc_previous, ts_exception, ts_objects, ts_context, ts_async_exc,
		ts_first_iter, ts_finalizer, ts_profile, ts_trace;
	/* Types; heap_type: of classes */
	uint16_t type_item_size, type_traverse, type_clear, type_weaklist_at, type_members, type_dict, type_is_gc,
		type_bases, type_mro, type_cache, type_subclasses, type_del, type_finalize;
	uint16_t heap_type_name, heap_type_slots, heap_type_qualname, heap_type_module;
	/* Objects */
	uint16_t list_items, tuple_items, set_mask, set_table, weakref_callback, module_name;
	uint16_t func_code, func_globals, func_builtins, func_name, func_qualname, func_defaults, func_kwdefaults,
		func_closure, func_doc, func_dict, func_module, func_annotations, func_annotate, func_typeparams;
	uint16_t code_consts, code_names, code_short_name, code_locals, code_free, code_cells, code_kinds,
		code_exceptions, code_n_locals, code_stack_size, code_cached;
	/* Frames: members of frame objects up to 3.10; since then of the interpreter's, but for frame_trace,
	 * frame_inner and frame_back */
	uint16_t frame_builtins, frame_globals, frame_dict, frame_stack, frame_stack_top, frame_trace, frame_func,
		frame_object, frame_inner, frame_back, gen_name, gen_state;
};

/* The row in force; minor is 0 until there is one. */
extern struct py_layout py_layout __attribute__((visibility("hidden")));

/* Takes the row of 3.`minor` into py_layout, corrected by the debug offsets at `runtime` (NULL: none). Whether there is
 * a row. */
bool py_layout_choose(unsigned minor, bool free_threaded, const char *runtime);
/* How much further back than in the row the later members of an interpreter lie, as far as what the interpreter
 * publishes tells: 3.14.0 to 3.14.4 have a smaller collector in front of them. */
int py_layout_interp_shift(void);
/* Frames of this interpreter are not to be marked after all. */
void py_layout_unmark(void);
