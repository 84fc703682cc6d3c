/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules: whose counts are to be recorded, as PYTRACE_WATCH says it
 *
 *   LIST     a list with commas of RULE, suspects:FILE, means:NAME
 *   RULE     one or more of type:NAME, site:FILE:LINE, random with blanks between: all of them must hold
 *   type:    the whole name of a type ("collections.deque", "list", "__main__.Foo"), or its last parts ("Foo")
 *   site:    some Python frame of the stack at the object's birth is at this line; FILE is the whole path of the
 * source, or its last components ("app.py", "pkg/app.py") random   of the births for which the rest of the rule holds a
 * sample, each with the same chance suspects:  a text file, a RULE a line; # begins a comment. No commas there, so
 * names of files may hold some means:   hardware, pages or none: for tests
 *
 * Who:   options.c checks the syntax; choose.c asks. Read once, in the constructor, never changed afterwards.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RULES_MAX = 64, RULES_TYPES_MAX = 64, RULES_SITES_MAX = 60, RULES_NONE = -1 };

struct rule {
	int8_t type, site; /* conditions by number; RULES_NONE: any */
	bool random;
};

/* Whether the text of PYTRACE_WATCH can be read; files are not looked at. */
bool rules_check(const char *text);
/* Takes the text of PYTRACE_WATCH, and the files that it names, in force. False: `error` (of `cap` bytes) holds one
 * line for people, and there are no rules. The text is copied. */
bool rules_read(const char *text, char *error, size_t cap);

unsigned rules_n(void);
const struct rule *rules_at(unsigned i);
/* The means that means: asks for; NULL: any. */
const char *rules_means(void);

/* Which conditions (bit by number) hold for a type of this name, as its definition in the trace has it. */
uint64_t rules_of_type(const char *name, size_t bytes);
/* Which could hold in a source file; and of those, which do at one of its lines. */
uint64_t rules_of_file(const char *file, size_t bytes);
uint64_t rules_of_line(uint64_t sites, uint32_t line);
