/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: the environment variables of options.def, read once in the constructor
 *
 * Never: allocates, or changes the environment. Text fields point into the environment or to the default.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum options_mode { OPTIONS_MODE_FULL, OPTIONS_MODE_OFF };
enum { OPTIONS_FOLLOW_FORK = 1, OPTIONS_FOLLOW_EXEC = 2 };
enum options_backend { OPTIONS_BACKEND_LIBC, OPTIONS_BACKEND_JEMALLOC };
enum { OPTIONS_SNAPSHOT_EXIT = 1, OPTIONS_SNAPSHOT_GC = 2, OPTIONS_SNAPSHOT_CALL = 4 };
enum { OPTIONS_LOG_CHECK = 1, OPTIONS_LOG_UNWIND = 2 };

struct options_start {
	uint64_t on;     /* record from the start */
	uint64_t signal; /* that starts and stops recording; 0: none */
};

/* 0: not asked for. */
struct options_snapshot {
	uint64_t when; /* OPTIONS_SNAPSHOT_… */
	uint64_t every_ns;
	uint64_t growth; /* percent */
	uint64_t signal;
};

struct options {
	const char *output, *programs, *watch;
	uint64_t mode; /* enum options_mode */
	struct options_start start;
	uint64_t native;
	uint64_t lives;
	struct options_snapshot snapshot;
	uint64_t follow;   /* OPTIONS_FOLLOW_… */
	uint64_t max_size; /* bytes; UINT64_MAX: no limit */
	uint64_t backend;  /* enum options_backend */
	uint64_t log;      /* OPTIONS_LOG_… */
	uint64_t help;
};

/* Reads environ. False when a value can't be read or a PYTRACE_ name is unknown: then `error` (of `cap` bytes) holds
 * one line for the user, and nothing is to be traced. */
bool options_read(struct options *o, char *const *environ, char *error, unsigned long cap);
/* Prints the table on stderr. */
void options_print_help(void);
/* What of the environment is in force, "NAME=value NAME=value", for the trace. */
void options_text(char *const *environ, char *buf, unsigned long cap);
/* One line on stderr, after "pytrace: ". The tracer's only voice. */
void options_say(const char *text);
