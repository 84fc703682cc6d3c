/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper: C code that allocates, for the truth programs
 *
 * Each function makes exactly the calls that its name says and nothing else, so that the program that calls it knows
 * what a trace must hold. Volatile pointers keep the compiler from seeing that a block is of no use.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

API void *truth_malloc(size_t n)
{
	void *volatile p = malloc(n);

	return p;
}

API void truth_free(void *p) { free(p); }

API void *truth_resize(void *p, size_t n) { return realloc(p, n); }

/* n blocks of the same size, each freed before the next is made. */
API void truth_malloc_free(size_t size, int n)
{
	for (int i = 0; i < n; i++) {
		void *volatile p = malloc(size);

		free(p);
	}
}

/* A block that grows by `step`, n times; returns it. */
API void *truth_realloc_chain(size_t step, int n)
{
	void *p = NULL;

	for (int i = 1; i <= n; i++) {
		void *q = realloc(p, step * i);

		if (!q)
			return p;
		p = q;
	}
	return p;
}

/* strdup, getline and their like allocate inside libc: their blocks come from its own malloc, by name. */
API char *truth_strdup(const char *s) { return strdup(s); }

struct job {
	size_t size;
	int n, keep;
	void **out;
};

static void *job_run(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < job->n; i++) {
		void *volatile p = malloc(job->size);

		if (i < job->keep)
			job->out[i] = p;
		else
			free(p);
	}
	return NULL;
}

/* A thread that Python never sees: n blocks of `size`, of which the first `keep` stay; out[] gets them. */
API int truth_c_thread(size_t size, int n, int keep, void **out)
{
	struct job job = { size, n, keep, out };
	pthread_t t;

	return pthread_create(&t, NULL, job_run, &job) || pthread_join(t, NULL);
}

/* Calls back into Python, with C frames between the Python ones. */
struct named {
	const char *name;
	size_t size;
	int n;
};

static void *named_run(void *arg)
{
	const struct named *job = arg;

	for (int i = 0; i < job->n; i++) {
		void *volatile p = malloc(job->size);

		(void)p;
		if (i == job->n / 2)
			pthread_setname_np(pthread_self(), job->name);
	}
	return NULL;
}

/* A thread of C code that has a name for the kernel only, which it gets half way; n blocks, never freed. */
API int truth_named_thread(const char *name, size_t size, int n)
{
	struct named job = { name, size, n };
	pthread_t t;

	return pthread_create(&t, NULL, named_run, &job) || pthread_join(t, NULL);
}

struct call {
	int (*callback)(int);
	int arg;
};

static void *call_run(void *arg)
{
	const struct call *call = arg;

	call->callback(call->arg);
	return NULL;
}

/* Calls back from a thread that Python did not start. */
API int truth_call_in_thread(int (*callback)(int), int arg)
{
	struct call call = { callback, arg };
	pthread_t t;

	return pthread_create(&t, NULL, call_run, &call) || pthread_join(t, NULL);
}

API int truth_call(int (*callback)(int), int arg) { return callback(arg); }

API size_t truth_usable(void *p) { return malloc_usable_size(p); }

/*
 * What a thread writes down for test_kill.py, in a file that it shares with the test: before each call `started`, after
 * it `finished` and, for an allocation, the address. Call 2i makes block i, call 2i + 1 frees block i - KEEP.
 */
enum { KEEP = 3 };

struct diary {
	volatile uint64_t started, finished;
	volatile uint64_t addr[];
};

/* Makes the blocks first to first + n - 1; block i has `base` + i bytes. */
API void truth_diary(struct diary *d, uint64_t first, uint64_t n, size_t base)
{
	for (uint64_t i = first; i < first + n; i++) {
		d->started = 2 * i + 1;
		d->addr[i] = (uintptr_t)malloc(base + i);
		d->finished = 2 * i + 1;
		d->started = 2 * i + 2;
		if (i >= KEEP)
			free((void *)(uintptr_t)d->addr[i - KEEP]);
		d->finished = 2 * i + 2;
	}
}

/* vfork: the child has the parent's memory; it allocates, as badly written programs do, and execs. Returns its status.
 */
API int truth_vfork(const char *program)
{
	pid_t pid = vfork();
	int status = -1;

	if (!pid) {
		for (int i = 0; i < 100; i++) {
			void *volatile p = malloc(1000 + (size_t)i);

			free(p);
		}
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static void *thread_exits(void *arg)
{
	free(malloc(123));
	pthread_exit(arg);
}

static void *thread_is_cancelled(void *arg)
{
	for (;;) {
		free(malloc(456));
		usleep(100);
	}
	return arg;
}

static void allocate_at_death(void *p)
{
	free(p);
	free(malloc(789));
}

/* Threads that end in every way: returning, by pthread_exit, cancelled, with destructors that allocate. */
API int truth_threads_die(int n)
{
	pthread_key_t key;

	if (pthread_key_create(&key, allocate_at_death))
		return 1;
	pthread_setspecific(key, malloc(5));
	for (int i = 0; i < n; i++) {
		pthread_t a, b;

		if (pthread_create(&a, NULL, thread_exits, NULL) || pthread_create(&b, NULL, thread_is_cancelled, NULL))
			return 2;
		pthread_cancel(b);
		if (pthread_join(a, NULL) || pthread_join(b, NULL))
			return 3;
	}
	return 0;
}
