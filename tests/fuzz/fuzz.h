/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz: what the mutation fuzzers share: random numbers, the rounds, the seed of a failure
 *
 * PYTRACE_FUZZ_ROUNDS and PYTRACE_FUZZ_SEED make longer and other walks; a failure prints its seed, and that seed alone
 * with one round repeats it. Each round has FUZZ_SECONDS until it counts as hung.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { FUZZ_SECONDS = 30 };

/* The file that a round may write; it is removed at the end. */
extern char fuzz_path[64];

/* The same numbers for the same seed. */
uint64_t fuzz_random(void);
/* From 0 to n - 1; n must not be 0. */
uint64_t fuzz_below(uint64_t n);

/* Calls `round` for each seed, as a test of this name. max_kib: memory that the process may ever have had. Returns what
 * main() should. */
int fuzz_run(const char *name, uint64_t rounds, long max_kib, void (*round)(void));
