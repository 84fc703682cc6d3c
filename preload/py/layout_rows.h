/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout_rows: the rows of layout.h
 *
 * A header, so that stack.c can compile its walk once for each version with offsets that are constants. Printed and
 * checked by scripts/gen-py-layout.
 */
#pragma once
#include "preload/py/layout.h"

enum { PY_LAYOUT_THREADED = 32 }; /* rows of free-threaded builds come behind the others */

/* clang-format off */
static const struct py_layout py_layout_rows[] = {
	[8] = {
		.minor = 8, .ts_interp = 16, .ts_cframe = 0, .ts_top = 24, .ts_tracing = 44, .ts_thread_id = 176,
		.ts_id = 256, .frame_code = 32, .frame_previous = 24, .frame_instr = 104, .frame_mark = 88,
		.code_flags = 36, .code_first_line = 40, .code_file = 104, .code_name = 112, .code_table = 120,
		.code_bytes = 48, .str_length = 16, .str_state = 32, .str_kind = 2, .str_ascii = 48,
		.str_compact = 72, .bytes_data = 32, .var_size = 16, .object_type = 8, .ts_dict = 152,
		.interp_modules = 56, .frame_locals = 360, .gen_frame = 16, .gen_qualname = 56, .type_name = 24, .type_size = 32,
		.type_flags = 168, .type_base = 256, .type_dict_at = 288, .type_keys = 872, .dict_keys = 32,
		.dict_values = 40, .int_digits = 24, .run_initialized = 12, .run_finalizing = 16, .run_head = 32,
		.run_main = 40, .run_current = 1368,
	},
	[9] = {
		.minor = 9, .ts_interp = 16, .ts_cframe = 0, .ts_top = 24, .ts_tracing = 44, .ts_thread_id = 176,
		.ts_id = 256, .frame_code = 32, .frame_previous = 24, .frame_instr = 104, .frame_mark = 88,
		.code_flags = 36, .code_first_line = 40, .code_file = 104, .code_name = 112, .code_table = 120,
		.code_bytes = 48, .str_length = 16, .str_state = 32, .str_kind = 2, .str_ascii = 48,
		.str_compact = 72, .bytes_data = 32, .var_size = 16, .object_type = 8, .ts_dict = 152,
		.interp_modules = 856, .frame_locals = 360, .gen_frame = 16, .gen_qualname = 56, .type_name = 24, .type_size = 32,
		.type_flags = 168, .type_base = 256, .type_dict_at = 288, .type_keys = 864, .dict_keys = 32,
		.dict_values = 40, .int_digits = 24, .run_initialized = 12, .run_finalizing = 16, .run_head = 32,
		.run_main = 40, .run_current = 568,
	},
	[10] = {
		.minor = 10, .ts_interp = 16, .ts_cframe = 0, .ts_top = 24, .ts_tracing = 44, .ts_thread_id = 176,
		.ts_id = 256, .frame_code = 32, .frame_previous = 24, .frame_instr = 96, .frame_mark = 84,
		.code_flags = 36, .code_first_line = 40, .code_file = 104, .code_name = 112, .code_table = 120,
		.code_bytes = 48, .str_length = 16, .str_state = 32, .str_kind = 2, .str_ascii = 48,
		.str_compact = 72, .bytes_data = 32, .var_size = 16, .object_type = 8, .ts_dict = 152,
		.interp_modules = 856, .frame_locals = 352, .gen_frame = 16, .gen_qualname = 48, .type_name = 24, .type_size = 32,
		.type_flags = 168, .type_base = 256, .type_dict_at = 288, .type_keys = 872, .dict_keys = 32,
		.dict_values = 40, .int_digits = 24, .run_initialized = 12, .run_finalizing = 16, .run_head = 32,
		.run_main = 40, .run_current = 568,
	},
	[11] = {
		.minor = 11, .ts_interp = 16, .ts_cframe = 56, .ts_top = 8, .ts_tracing = 44, .ts_thread_id = 152,
		.ts_id = 240, .ts_chunk = 296, .ts_chunk_limit = 312, .chunk_previous = 0, .chunk_size = 8,
		.chunk_top = 16, .chunk_data = 24, .frame_code = 32, .frame_previous = 48, .frame_instr = 56,
		.frame_mark = 64, .frame_owner = 69, .frame_entry = 68, .code_flags = 48, .code_first_line = 72,
		.code_file = 112, .code_name = 128, .code_table = 136, .code_bytes = 184, .code_traceable = 168,
		.str_length = 16, .str_state = 32, .str_kind = 2, .str_ascii = 48, .str_compact = 72,
		.bytes_data = 32, .var_size = 16, .object_type = 8, .ts_dict = 128, .interp_modules = 888,
		.frame_locals = 72, .gen_frame = 80, .gen_qualname = 40, .type_name = 24, .type_size = 32, .type_flags = 168,
		.type_base = 256, .type_dict_at = 288, .type_keys = 872, .dict_keys = 32, .dict_values = 40,
		.int_digits = 24, .run_initialized = 16, .run_finalizing = 24, .run_head = 40, .run_main = 48,
		.run_current = 576,
	},
	[12] = {
		.minor = 12, .ts_interp = 16, .ts_cframe = 56, .ts_top = 0, .ts_tracing = 44, .ts_thread_id = 136,
		.ts_id = 224, .ts_chunk = 232, .ts_chunk_limit = 248, .chunk_previous = 0, .chunk_size = 8,
		.chunk_top = 16, .chunk_data = 24, .frame_code = 0, .frame_previous = 8, .frame_instr = 56,
		.frame_mark = 64, .frame_owner = 70, .code_flags = 48, .code_first_line = 68, .code_file = 112,
		.code_name = 128, .code_table = 136, .code_bytes = 192, .code_traceable = 176, .str_length = 16,
		.str_state = 32, .str_kind = 2, .str_ascii = 40, .str_compact = 56, .bytes_data = 32,
		.var_size = 16, .object_type = 8, .ts_dict = 112, .interp_modules = 944, .frame_locals = 72,
		.gen_frame = 72, .gen_qualname = 32, .type_name = 24, .type_size = 32, .type_flags = 168, .type_base = 256,
		.type_dict_at = 288, .type_keys = 880, .dict_keys = 32, .dict_values = 40, .int_digits = 24,
		.run_initialized = 16, .run_finalizing = 24, .run_head = 40, .run_main = 48,
	},
	[13] = {
		.minor = 13, .ts_interp = 16, .ts_top = 72, .ts_tracing = 60, .ts_thread_id = 152, .ts_id = 224,
		.ts_chunk = 232, .ts_chunk_limit = 248, .chunk_previous = 0, .chunk_size = 8, .chunk_top = 16,
		.chunk_data = 24, .frame_code = 0, .frame_previous = 8, .frame_instr = 56, .frame_mark = 64,
		.frame_owner = 70, .code_flags = 48, .code_first_line = 68, .code_file = 112, .code_name = 128,
		.code_table = 136, .code_bytes = 200, .code_traceable = 184, .str_length = 16, .str_state = 32,
		.str_kind = 2, .str_ascii = 40, .str_compact = 56, .bytes_data = 32, .var_size = 16,
		.object_type = 8, .ts_loop = 304, .interp_modules = 7656, .frame_locals = 72, .gen_frame = 72, .gen_qualname = 32,
		.type_name = 24, .type_size = 32, .type_flags = 168, .type_base = 256, .type_dict_at = 288,
		.type_keys = 880, .dict_keys = 32, .dict_values = 40, .int_digits = 24, .run_initialized = 600,
		.run_finalizing = 608, .run_head = 632, .run_main = 640,
	},
	[14] = {
		.minor = 14, .ts_interp = 16, .ts_top = 72, .ts_tracing = 60, .ts_thread_id = 152, .ts_id = 224,
		.ts_chunk = 232, .ts_chunk_limit = 248, .chunk_previous = 0, .chunk_size = 8, .chunk_top = 16,
		.chunk_data = 24, .frame_code = 0, .frame_previous = 8, .frame_instr = 56, .frame_mark = 75,
		.frame_owner = 74, .code_flags = 48, .code_first_line = 68, .code_file = 112, .code_name = 128,
		.code_table = 136, .code_bytes = 208, .code_traceable = 192, .str_length = 16, .str_state = 32,
		.str_kind = 2, .str_ascii = 40, .str_compact = 56, .bytes_data = 32, .var_size = 16,
		.object_type = 8, .ts_loop = 864, .ts_task = 872, .interp_modules = 7688, .frame_locals = 80,
		.gen_frame = 72, .gen_qualname = 32, .type_name = 24, .type_size = 32, .type_flags = 168, .type_base = 256,
		.type_dict_at = 288, .type_keys = 880, .dict_keys = 32, .dict_values = 40, .int_digits = 24,
		.run_initialized = 776, .run_finalizing = 784, .run_head = 808, .run_main = 816,
	},
	[15] = {
		.minor = 15, .ts_interp = 16, .ts_top = 72, .ts_tracing = 64, .ts_thread_id = 176, .ts_id = 248,
		.ts_chunk = 256, .ts_chunk_limit = 272, .chunk_previous = 0, .chunk_size = 8, .chunk_top = 16,
		.chunk_data = 24, .frame_code = 0, .frame_previous = 8, .frame_instr = 56, .frame_mark = 75,
		.frame_owner = 74, .code_flags = 48, .code_first_line = 68, .code_file = 112, .code_name = 128,
		.code_table = 136, .code_bytes = 208, .code_traceable = 192, .str_length = 16, .str_state = 32,
		.str_kind = 2, .str_ascii = 40, .str_compact = 56, .bytes_data = 32, .var_size = 16,
		.object_type = 8, .ts_loop = 1024, .ts_task = 1032, .interp_modules = 7592, .frame_locals = 80,
		.gen_frame = 72, .gen_qualname = 32, .type_name = 24, .type_size = 32, .type_flags = 168, .type_base = 256,
		.type_dict_at = 288, .type_keys = 888, .dict_keys = 32, .dict_values = 40, .int_digits = 24,
		.run_initialized = 904, .run_finalizing = 912, .run_head = 936, .run_main = 944,
	},
	[PY_LAYOUT_THREADED + 13] = {
		.minor = 13, .free_threaded = 1, .ts_interp = 16, .ts_top = 72, .ts_tracing = 60,
		.ts_thread_id = 152, .ts_id = 224, .ts_chunk = 232, .ts_chunk_limit = 248, .chunk_previous = 0,
		.chunk_size = 8, .chunk_top = 16, .chunk_data = 24, .frame_code = 0, .frame_previous = 8,
		.frame_instr = 56, .frame_mark = 64, .frame_owner = 70, .code_flags = 64, .code_first_line = 84,
		.code_file = 128, .code_name = 144, .code_table = 152, .code_bytes = 216, .code_traceable = 200,
		.str_length = 32, .str_state = 48, .str_kind = 2, .str_ascii = 56, .str_compact = 72,
		.bytes_data = 48, .var_size = 32, .object_type = 24, .ts_loop = 312, .interp_modules = 7664,
		.frame_locals = 72, .gen_frame = 88, .gen_qualname = 48, .type_name = 40, .type_size = 48, .type_flags = 184,
		.type_base = 272, .type_dict_at = 304, .type_keys = 896, .dict_keys = 48, .dict_values = 56,
		.int_digits = 40, .run_initialized = 600, .run_finalizing = 608, .run_head = 632, .run_main = 640,
	},
	[PY_LAYOUT_THREADED + 14] = {
		.minor = 14, .free_threaded = 1, .frame_copy = 72, .code_copies = 224, .ts_interp = 16,
		.ts_top = 72, .ts_tracing = 60, .ts_thread_id = 152, .ts_id = 224, .ts_chunk = 232,
		.ts_chunk_limit = 248, .chunk_previous = 0, .chunk_size = 8, .chunk_top = 16, .chunk_data = 24,
		.frame_code = 0, .frame_previous = 8, .frame_instr = 56, .frame_mark = 79, .frame_owner = 78,
		.code_flags = 64, .code_first_line = 84, .code_file = 128, .code_name = 144, .code_table = 152,
		.code_bytes = 232, .code_traceable = 208, .str_length = 32, .str_state = 48, .str_kind = 8,
		.str_ascii = 56, .str_compact = 72, .bytes_data = 48, .var_size = 32, .object_type = 24,
		.ts_loop = 864, .ts_task = 872, .interp_modules = 7712, .frame_locals = 80, .gen_frame = 88, .gen_qualname = 48,
		.type_name = 40, .type_size = 48, .type_flags = 184, .type_base = 272, .type_dict_at = 304,
		.type_keys = 896, .dict_keys = 48, .dict_values = 56, .int_digits = 40, .run_initialized = 776,
		.run_finalizing = 784, .run_head = 808, .run_main = 816,
	},
};
/* clang-format on */
enum { PY_LAYOUT_ROWS = sizeof py_layout_rows / sizeof *py_layout_rows };
