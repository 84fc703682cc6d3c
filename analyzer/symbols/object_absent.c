/* SPDX-License-Identifier: Apache-2.0 */
/* object_absent: stands in for object.c and files.c where pytrace is built without elfutils: finds nothing. */
#include "analyzer/symbols/files.h"
#include "analyzer/symbols/object.h"

struct files *files_new(const char *sysroot, const char *debug_path, bool offline)
{
	(void)sysroot, (void)debug_path, (void)offline;
	return NULL;
}

void files_free(struct files *f) { (void)f; }

bool object_available(void) { return false; }

struct object *object_open(struct files *files, const struct symbols_module *m, char **ret_warning)
{
	(void)files, (void)m;
	*ret_warning = NULL;
	return NULL;
}

void object_close(struct object *o) { (void)o; }

unsigned object_exports(struct object *o)
{
	(void)o;
	return 0;
}

bool object_has_lines(struct object *o)
{
	(void)o;
	return false;
}

void object_find(struct object *o, uint64_t address, struct object_frames *ret)
{
	(void)o, (void)address;
	ret->n = 0;
}
