/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/process/comm.h"
#include "preload/record/intern.h"
#include "preload/base/os.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define LOOK_EVERY_NS UINT64_C(100000000)

static char program[COMM_BYTES]; /* the main thread's name when it was looked at last */

static void get_own(char *name)
{
	memset(name, 0, COMM_BYTES);
	os_call(SYS_prctl, PR_GET_NAME, name, 0, 0, 0);
}

void comm_start(void) { get_own(program); }

/* The name of another thread; "" when there is none to be had. */
static void get(uint32_t tid, char *name)
{
	char path[64], text[COMM_BYTES + 1], *newline;

	memset(name, 0, COMM_BYTES);
	snprintf(path, sizeof path, "/proc/self/task/%u/comm", tid);
	os_read_text(path, text, sizeof text);
	newline = strchr(text, '\n');
	if (newline)
		memcpy(name, text, (size_t)(newline - text));
}

static bool is_of_program(const char *name)
{
	if (!memcmp(name, program, COMM_BYTES))
		return true;
	get(os_pid(), program); /* it may have been renamed */
	return !memcmp(name, program, COMM_BYTES);
}

static void say(struct thread *by, struct thread *of, const char *name)
{
	struct piece piece = { name, strnlen(name, COMM_BYTES) };

	if (!piece.bytes || !memcmp(name, of->comm, COMM_BYTES) || is_of_program(name))
		return;
	memcpy(of->comm, name, COMM_BYTES);
	define_bytes(by, PT_OP_THREAD_NAME, of->number, &piece, 1);
}

/* The main thread is called as the program is. */
static bool may_have_one(const struct thread *t) { return !t->named && t->tid != os_pid(); }

void comm_look(struct thread *t)
{
	char name[COMM_BYTES];

	t->comm_ns = t->clock_ns;
	if (!may_have_one(t))
		return;
	get_own(name);
	say(t, t, name);
}

void comm_tick(struct thread *t)
{
	if (!t->named && t->clock_ns - t->comm_ns > LOOK_EVERY_NS)
		comm_look(t);
}

void comm_look_at(struct thread *by, struct thread *of)
{
	char name[COMM_BYTES];

	if (!may_have_one(of) || of->dying)
		return;
	get(of->tid, name);
	say(by, of, name);
}
