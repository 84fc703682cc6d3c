/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault: why something can't be done, in one line
 *
 * A function that can fail returns 0 or a negative enum fault_code and fills the struct fault that it was given. Only
 * main.c and commands/ print: `pytrace: FILE: cause (at byte N)`. A damaged trace is no fault but data: see
 * read/trace.h, "what is wrong with it".
 */
#pragma once
#include <stdint.h>
#include <stdio.h>

enum fault_code { FAULT_NONE = 0, FAULT_IO = -1, FAULT_FORMAT = -2, FAULT_VERSION = -3 };

#define FAULT_NOWHERE UINT64_MAX

struct fault {
	enum fault_code code;
	uint64_t offset; /* in the file, or FAULT_NOWHERE */
	char file[256];  /* as the user named it; "" when it is about no file */
	char cause[256];
};

/* Fills *f (NULL: nobody wants to know) and returns `code`, so that callers can `return fault_set(...)`. */
int fault_set(struct fault *f, enum fault_code code, const char *file, uint64_t offset, const char *cause, ...)
	__attribute__((format(printf, 5, 6)));

/* Writes the line, with its newline. */
void fault_print(const struct fault *f, FILE *to);
