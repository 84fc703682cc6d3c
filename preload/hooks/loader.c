/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader: dlopen, for programs that load an interpreter at run time; dlclose, for code that is no more
 *
 * dlopen looks at its caller (RUNPATH, $ORIGIN), and behind a wrapper that would be us. So calls are handed on by a
 * jump that leaves the caller's return address in place; only a path for which the caller makes no difference and that
 * looks like Python's library is called, and looked at when it is there.
 */
#include "preload/hooks/hook.h"

#include <string.h>

static bool may_be_python(const char *path)
{
	return path && strchr(path, '/') && !strchr(path, '$') && strstr(path, "python");
}

HOOK __attribute__((optimize("optimize-sibling-calls"))) void *dlopen(const char *path, int flags)
{
	void *handle;

	if (likely(tracer_is_off() || !may_be_python(path)))
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
