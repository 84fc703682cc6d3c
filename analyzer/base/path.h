/* SPDX-License-Identifier: Apache-2.0 */
/* path: the parts of a file's path, which need not exist here */
#pragma once
#include <string.h>

/* The last part: "c" of "/a/b/c", "" of "/a/". What lies before it, up to here, is its folder with a slash at the end,
 * or nothing. Borrowed. */
static inline const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
