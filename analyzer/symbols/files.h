/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files: where the files of a module are: itself, its separate debug file
 *
 * Where: the module's path below --sysroot. Debug files by build id and by the name that the module gives
 *        (.gnu_debuglink) in --debug-path, in SYSROOT/usr/lib/debug, beside the module. Then debuginfod, when
 *        DEBUGINFOD_URLS is set, but for no longer than FILES_DEBUGINFOD_S seconds in all.
 * Trust: what is found must have the build id that is asked for (a debug file without one: its checksum).
 * Links: below a sysroot, absolute symbolic links mean what they mean there.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILES_DEBUGINFOD_S = 60 };
enum { FILES_BUILD_ID_BYTES = 64 }; /* of a longer build id only the beginning counts */

struct files;

/* What is looked for. Borrowed for the time of the call. */
struct files_want {
	const char *path; /* of the module, as the trace has it */
	const uint8_t *build_id;
	unsigned build_id_bytes; /* 0: it has none, then a name must do */
	const char *link;        /* .gnu_debuglink; NULL: none */
	uint32_t link_crc;
};

/* Copies its texts; any may be NULL. */
struct files *files_new(const char *sysroot, const char *debug_path, bool offline);
void files_free(struct files *f);

/* Each returns a file descriptor to close, or -1; the name under which it was found, to free, in *ret_name.
 * files_module(): the file itself or one that can stand for it; *ret_differs when there is a file of that name, but
 * with another build id. files_debug(): its separate debug file. files_alt(): a file that several debug files share
 * (dwz), named `name` by the debug file `beside`. */
int files_module(struct files *f, const struct files_want *want, char **ret_name, bool *ret_differs);
int files_debug(struct files *f, const struct files_want *want, char **ret_name);
int files_alt(struct files *f, const char *name, const char *beside, const uint8_t *build_id, unsigned build_id_bytes,
	      char **ret_name);
