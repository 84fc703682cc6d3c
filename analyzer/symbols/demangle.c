/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle: names of the linker as people write them
 *
 * C++ and Rust (both of its manglings) by libiberty, when pytrace was built with it. What compilers hang on names of
 * functions that they cut up or copied (.cold, .part.0, .constprop.0, .llvm.123) is dropped before: it is the same
 * function to whoever wrote it. So is the hash at the end of Rust's older names.
 */
#include "analyzer/base/mem.h"
#include "analyzer/symbols/symbols.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#ifdef PT_WITH_LIBIBERTY
#include <libiberty/demangle.h>
#endif

enum { LONGEST_NAME = 16384 }; /* what is longer is left as it is */

/* Where the suffixes of a compiler start: "f.constprop.0.cold" at the first dot. A name may begin with dots. */
static size_t stem_length(const char *name)
{
	static const char *const suffixes[] = {
		"cold",       "part",     "constprop", "isra", "lto_priv", "llvm",
		"localalias", "resolver", "clone",     "cfi",  "cfi_jt",
	};
	const char *dot = name;

	while ((dot = strchr(dot + 1, '.')) != NULL)
		for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
			size_t n = strlen(suffixes[i]);

			if (dot > name && !strncmp(dot + 1, suffixes[i], n) && (dot[n + 1] == '.' || !dot[n + 1]))
				return (size_t)(dot - name);
		}
	return strlen(name);
}

#ifdef PT_WITH_LIBIBERTY
/* "::h0123456789abcdef" at the end. */
static void drop_hash(char *name)
{
	enum { HASH = 16 };
	size_t n = strlen(name);
	char *at = n > HASH + 3 ? name + n - HASH - 3 : NULL;

	if (at && !memcmp(at, "::h", 3) && strspn(at + 3, "0123456789abcdef") == HASH)
		*at = 0;
}

static bool is_mangled(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "__Z", 3) || (!strncmp(name, "_R", 2) && isupper(name[2]));
}

static char *demangle(const char *name)
{
	char *plain;

	if (!is_mangled(name))
		return NULL;
	plain = cplus_demangle(name, DMGL_AUTO | DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP);
	if (plain && name[1] != 'R')
		drop_hash(plain);
	return plain;
}
#else
static char *demangle(const char *name)
{
	(void)name;
	return NULL;
}
#endif

char *symbols_demangle(const char *linkage)
{
	size_t n = strlen(linkage);
	char *stem, *plain;

	if (n > LONGEST_NAME)
		return mem_text(linkage, n);
	stem = mem_text(linkage, stem_length(linkage));
	plain = demangle(stem);
	if (!plain)
		return stem;
	free(stem);
	return plain;
}
