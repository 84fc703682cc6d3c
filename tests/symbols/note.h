/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note: what programs of tests/test_symbols.py say of themselves, so that it can be compared
 *
 * NOTE("name") prints the address at which the function that it stands in is running, as an address of the ELF file,
 * and the functions from there outwards up to the next one that is no inlined one, each with its line:
 * "1234 inner:7 middle:12 outer:30". CALL("name", f()) calls the inlined function f() from the function "name".
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct note_call {
	const char *name;
	int line;
};
extern struct note_call note_calls[16];
extern int note_depth;

/* Prints; to be called by NOTE only. */
void note(const char *name, int line);

#ifdef __cplusplus
}
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NEVER_INLINE  __attribute__((noinline, noclone))

#define NOTE(who)                     \
	do {                          \
		note(who, __LINE__);  \
		__asm__ volatile(""); \
	} while (0)

#define CALL(who, call)                                   \
	do {                                              \
		note_calls[note_depth].name = who;        \
		note_calls[note_depth++].line = __LINE__; \
		call;                                     \
		note_depth--;                             \
	} while (0)

/* At the start of a function that is not inlined: what is further out is no part of its frames. */
#define FRESH()                       \
	int outer_depth = note_depth; \
	note_depth = 0
#define DONE() note_depth = outer_depth
