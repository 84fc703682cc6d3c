/* SPDX-License-Identifier: Apache-2.0 */
/* facts: META definitions, "key=value" each. */
#include "preload/process/facts.h"
#include "preload/allocator/backend.h"
#include "preload/allocator/foreign.h"
#include "preload/allocator/real.h"
#include "preload/record/intern.h"
#include "preload/options.h"
#include "preload/base/os.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#ifndef PYTRACE_VERSION
#error "the build system gives the version"
#endif

extern char **environ;

static void meta(struct thread *t, const char *key, const void *value, size_t bytes)
{
	struct piece pieces[] = { { key, strlen(key) }, { "=", 1 }, { value, bytes } };

	if (pieces[0].bytes + 1 + bytes > DEFINE_MAX)
		pieces[2].bytes = DEFINE_MAX - pieces[0].bytes - 1;
	define_bytes(t, PT_OP_META, 0, pieces, 3);
}

static void meta_text(struct thread *t, const char *key, const char *value) { meta(t, key, value, strlen(value)); }
static void meta_switch(struct thread *t, const char *key, bool value) { meta_text(t, key, value ? "1" : "0"); }

/* argv's strings lie one behind the other in memory, zeros between, as the kernel put them there; a program may have
 * moved them (setproctitle), so they are taken one by one. */
static void meta_argv(struct thread *t, const struct program *program)
{
	static char buf[DEFINE_MAX];
	size_t len = 0;

	for (int i = 0; i < program->argc && program->argv[i]; i++) {
		size_t n = strlen(program->argv[i]) + 1;

		if (len + n > sizeof buf - 16)
			break;
		memcpy(buf + len, program->argv[i], n);
		len += n;
	}
	meta(t, "argv", buf, len ? len - 1 : 0);
}

static void meta_place(struct thread *t)
{
	static char buf[4096];
	long n = os_call(SYS_getcwd, buf, sizeof buf);

	if (n > 0)
		meta_text(t, "cwd", buf);
	if (!gethostname(buf, sizeof buf - 1))
		meta_text(t, "host", buf);
	options_text(environ, buf, sizeof buf);
	meta_text(t, "options", buf);
}

void facts_define_allocator(struct thread *t)
{
	meta_text(t, "allocator", backend_is_on() ? "jemalloc" : foreign_name());
	meta_text(t, "allocator.order", backend_is_on() ? "backend" : foreign_order());
}

/* How often a thread slept, or waited for somebody: where a machine is busy, time passes without. */
void facts_define_usage(struct thread *t)
{
	struct rusage usage;
	char number[24];

	if (os_call(SYS_getrusage, RUSAGE_SELF, &usage))
		return;
	snprintf(number, sizeof number, "%ld", usage.ru_nvcsw);
	meta_text(t, "process.waits", number);
}

void facts_define(struct thread *t, const struct program *program)
{
	static char schema[4096];
	struct piece piece = { schema, pt_schema_text(schema, sizeof schema) };
	struct program_other other;

	define_bytes(t, PT_OP_SCHEMA, 0, &piece, 1);
	meta_text(t, "libpytrace.version", PYTRACE_VERSION);
	meta_text(t, "program", program->name);
	meta_text(t, "exe", program->exe);
	meta_text(t, "mode", "full");
	if (program_other(program, &other)) { /* a better word, if there is one, comes with facts_define_python */
		meta_text(t, "python.implementation", other.implementation);
		meta_text(t, "python.stacks_off", other.stacks_off);
	}
	facts_define_allocator(t);
	meta_argv(t, program);
	meta_place(t);
}

static void meta_layers(struct thread *t, bool has_python)
{
	char text[100];

	snprintf(text, sizeof text, "mmap,malloc,%sfile,reserve%s", has_python ? "raw,mem,object,arena," : "",
		 real_allocator.is_libc && !backend_is_on() ? "" : ",heap");
	meta_text(t, "layers", text);
}

/* What is known of the interpreter once it runs. */
void facts_define_python(struct thread *t)
{
	const struct py_info *py = py_info();
	char hex[16];

	meta_layers(t, py->has_domains);
	if (!py->implementation)
		return;
	snprintf(hex, sizeof hex, "0x%08x", py->hexversion);
	meta_text(t, "python.implementation", py->implementation);
	if (*py->version)
		meta_text(t, "python.version", py->version);
	if (py->hexversion)
		meta_text(t, "python.hexversion", hex);
	meta_switch(t, "python.free_threaded", py->free_threaded);
	meta_switch(t, "python.shared", py->shared);
	meta_switch(t, "python.debug", py->debug);
	if (py->stacks_off)
		meta_text(t, "python.stacks_off", py->stacks_off);
}
