/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader: dlopen, for programs that load an interpreter at run time; dlclose, for code that is no more
 *
 * dlopen looks at its caller (RUNPATH, $ORIGIN), and behind a wrapper that would be us. So calls are handed on by a
 * jump that leaves the caller's return address in place; only what looks like Python's library, and for which the
 * caller makes no difference, is called, and looked at when it is there.
 */
#include "preload/hooks/hook.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

/* Whether the caller's file says where to look for libraries by name (DT_RPATH, DT_RUNPATH). When in doubt it does. */
static bool has_search_path(const void *caller)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) || !map || !map->l_ld)
		return true;
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_RPATH || d->d_tag == DT_RUNPATH)
			return true;
	return false;
}

static bool may_be_python(const char *path, const void *caller)
{
	if (!path || !strstr(path, "python") || strchr(path, '$'))
		return false;
	return strchr(path, '/') || !has_search_path(caller);
}

HOOK __attribute__((optimize("optimize-sibling-calls"))) void *dlopen(const char *path, int flags)
{
	void *handle;

	if (likely(tracer_is_off() || !may_be_python(path, __builtin_return_address(0))))
		return real.dlopen(path, flags);
	handle = real.dlopen(path, flags);
	if (handle)
		lifecycle_look_at(handle);
	return handle;
}

HOOK int dlclose(void *handle)
{
	int ret = real.dlclose(handle);
	struct thread *t = native_on ? thread_enter() : NULL;

	if (!t)
		return ret;
	thread_depth(t, DEPTH_OWN);
	native_unloaded();
	thread_leave(t);
	return ret;
}
