/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle: names of the linker as people write them
 *
 * C++ and Rust (both of its manglings) by libiberty, when pytrace was built with it. What compilers hang on names of
 * functions that they cut up or copied (.cold, .part.0, .constprop.0, .llvm.123) is dropped before: it is the same
 * function to whoever wrote it. So are the hash at the end of Rust's older names, the types of arguments, and what
 * nobody wrote of C++ templates: `std::map<std::string, int>::operator[]`, for a name of 150 characters.
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

/* Where the suffixes of a compiler start: "f.constprop.0.cold" at the first dot, "f.0" (a function within another one)
 * at its dot. A name may begin with dots. */
static size_t stem_length(const char *name)
{
	static const char *const suffixes[] = {
		"cold",       "part",     "constprop", "isra", "lto_priv", "llvm",
		"localalias", "resolver", "clone",     "cfi",  "cfi_jt",
	};
	const char *dot = name, *last = strrchr(name, '.');

	while (*dot && (dot = strchr(dot + 1, '.')) != NULL)
		for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
			size_t n = strlen(suffixes[i]);

			if (!strncmp(dot + 1, suffixes[i], n) && (dot[n + 1] == '.' || !dot[n + 1]))
				return (size_t)(dot - name);
		}
	if (last && last > name && last[1] && !last[1 + strspn(last + 1, "0123456789")])
		return (size_t)(last - name);
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

/* Replaces every `from` in place by `to`, which is not longer. */
static void replace(char *text, const char *from, const char *to)
{
	size_t n_from = strlen(from), n_to = strlen(to);

	while ((text = strstr(text, from)) != NULL) {
		memcpy(text, to, n_to);
		memmove(text + n_to, text + n_from, strlen(text + n_from) + 1);
		text += n_to;
	}
}

/* Where a template argument ends: at its comma or the bracket that closes the list. */
static const char *argument_end(const char *at)
{
	int depth = 0;

	for (; *at; at++) {
		if (strchr("<([{", *at))
			depth++;
		else if (strchr(">)]}", *at) && !depth--)
			return at;
		else if (*at == ',' && !depth)
			return at;
	}
	return at;
}

/* Drops ", std::allocator<...>" and its like: arguments that the library fills in. */
static void drop_defaults(char *name)
{
	static const char *const defaults[] = {
		", std::allocator<", ", std::less<",     ", std::char_traits<",
		", std::hash<",      ", std::equal_to<", ", std::default_delete<",
	};

	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		char *at = name;

		while ((at = strstr(at, defaults[i])) != NULL) {
			const char *end = argument_end(at + 2);

			if (!*end) /* no list of arguments: leave it */
				break;
			memmove(at, end, strlen(end) + 1);
		}
	}
}

static void shorten(char *name)
{
	replace(name, "std::__cxx11::", "std::");
	drop_defaults(name);
	replace(name, " >", ">");
	replace(name, "std::basic_string<char>", "std::string");
	replace(name, "std::basic_string_view<char>", "std::string_view");
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
	plain = cplus_demangle(name, DMGL_AUTO | DMGL_ANSI | DMGL_RET_DROP);
	if (plain && name[1] != 'R') {
		drop_hash(plain);
		shorten(plain);
	}
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
