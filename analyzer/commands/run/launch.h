/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch: starts a command with the tracer preloaded and waits for it as a shell would
 *
 * The command stays in our process group: what the terminal sends reaches it without us. Signals sent to us alone are
 * handed on. Which traces are its own: those in the folder of the output pattern whose process started after we did.
 * Who:   run, refs --hunt.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct launch_variable {
	const char *name, *value; /* value NULL: as it is */
};

struct launch {
	const char *command;               /* of ours, for messages: "run" */
	const struct launch_variable *set; /* for the child; the last one has no name */
	char library[PATH_MAX];
	char pattern[PATH_MAX * 2]; /* of its traces: an absolute path */
};

struct launch_trace {
	char *name;
	uint64_t start_ns;
};
struct launch_traces {
	struct launch_trace *at; /* in the order in which they were started */
	size_t n, cap;
};

/* The rows of options that every command which launches has, for texts of these names in its struct. */
/* clang-format off */
#define LAUNCH_OPTION_ROWS(type) \
	{ 'o', "output", OPTION_TEXT, offsetof(type, output), "PATTERN", \
	  "where traces go: %n program, %p pid, %h host, %t start time (%n.%p.pytrace)" }, \
	{ 0, "follow", OPTION_TEXT, offsetof(type, follow), "LIST", \
	  "which children are traced too: fork, exec (both by default), none" }, \
	{ 0, "programs", OPTION_TEXT, offsetof(type, programs), "GLOBS", \
	  "names of programs to trace, between commas (Python interpreters by default)" }, \
	{ 0, "max-size", OPTION_TEXT, offsetof(type, max_size), "SIZE", \
	  "stop recording, never the program, when a trace has this size (500M)" }
/* clang-format on */

enum { LAUNCH_GO = -1 }; /* no exit code */

/* Finds the library and fills what is not given. `output`: a pattern, NULL: as PYTRACE_OUTPUT says. LAUNCH_GO, or the
 * exit code after a message. */
int launch_prepare(struct launch *l, const char *output);
/* Says what is wrong on stderr: "pytrace run: WHAT'NAME': WHY". Returns the exit code of wrong usage. */
int launch_fail(const struct launch *l, const char *what, const char *name, const char *why);

/* Starts the command and waits for its end. Returns 0 with *ret_status as of waitpid(), or the errno that kept it from
 * starting. `command` ends with NULL. */
int launch_run(const struct launch *l, char **command, int *ret_status);
/* The exit code for a command that could not be started, after a message. */
int launch_not_started(const struct launch *l, const char *name, int error);
/* Ends as the command did: returns its exit status, or is killed by its signal, without a second core. */
int launch_end_alike(int status);

/* Now, as traces count it: to be asked before launch_run(). */
uint64_t launch_now_ns(void);
/* The traces of processes that started since then. launch_forget() them. */
void launch_find(struct launch_traces *list, const struct launch *l, uint64_t since_ns);
void launch_forget(struct launch_traces *list);
/* A path as the user would type it here. Borrowed. */
const char *launch_short_path(const char *path);
/* "pytrace: wrote 2 traces: a b" on stderr. */
void launch_print_names(const struct launch_traces *list);
