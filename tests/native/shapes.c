/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shapes: stacks of every shape that C code makes, with a malloc at the end of each; tests/test_native.py runs it
 * traced and compares with libunwind. The first argument says which shape; each prints "done".
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone))
enum { ROUNDS = 400 };

static __thread void *volatile sink;

static APART void take(size_t bytes)
{
	sink = malloc(bytes);
	free((void *)sink);
	__asm__ volatile("" ::: "memory");
}

/* ---- plain ---- */

static APART void down(int depth)
{
	take(16 + (size_t)depth);
	if (depth)
		down(depth - 1);
	take(17 + (size_t)depth);
}

static void deep(void)
{
	for (int i = 0; i < ROUNDS / 10; i++)
		down(200);
}

/* ---- frames whose size is not known ---- */

static APART void variable(size_t n)
{
	char *p = alloca(n);

	memset(p, 1, n);
	take(n);
	__asm__ volatile("" ::"r"(p) : "memory");
}

static void frame_pointer(void)
{
	for (int i = 0; i < ROUNDS; i++)
		variable(16 + (size_t)i * 7);
}

/* ---- realigned: the CFA lies in memory ---- */

static APART void realigned_inner(size_t n)
{
	_Alignas(64) char buf[128];
	char *p = alloca(n);

	memset(buf, 0, sizeof buf);
	p[0] = buf[n % sizeof buf];
	take(n);
	__asm__ volatile("" ::"r"(p), "r"(buf) : "memory");
}

static void realigned(void)
{
	for (int i = 1; i < ROUNDS; i++)
		realigned_inner((size_t)i);
}

/* ---- longjmp ---- */

static jmp_buf back;

static APART void jumper(int depth)
{
	take(32);
	if (!depth)
		longjmp(back, 1);
	jumper(depth - 1);
	take(33);
}

static void jumps(void)
{
	for (volatile int i = 0; i < ROUNDS; i++) {
		if (!setjmp(back))
			jumper(i % 20);
		take(34);
	}
}

/* ---- signals ---- */

static volatile int n_signals;

static APART void handle_more(void) { take(64); }

static void handler(int signal)
{
	(void)signal;
	handle_more();
	n_signals++;
}

static APART void spin(int rounds)
{
	for (volatile int i = 0; i < rounds; i++)
		;
}

static void interrupted(int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval every = { { 0, 300 }, { 0, 300 } }, never = { 0 };

	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	while (n_signals < 30)
		down(3), spin(20000);
	setitimer(ITIMER_PROF, &never, NULL);
}

static void signals(void) { interrupted(SA_RESTART); }

static void signal_stack(void)
{
	stack_t other = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };

	sigaltstack(&other, NULL);
	interrupted(SA_RESTART | SA_ONSTACK);
}

/* ---- other stacks ---- */

static ucontext_t main_context, coroutine_context[3];

static void coroutine(int number)
{
	for (int i = 0; i < ROUNDS; i++) {
		down(number + i % 5);
		swapcontext(&coroutine_context[number], &main_context);
	}
}

static void coroutines(void)
{
	for (int i = 0; i < 3; i++) {
		getcontext(&coroutine_context[i]);
		coroutine_context[i].uc_stack.ss_sp = malloc(1 << 16);
		coroutine_context[i].uc_stack.ss_size = 1 << 16;
		coroutine_context[i].uc_link = &main_context;
		makecontext(&coroutine_context[i], (void (*)(void))coroutine, 1, i);
	}
	for (int i = 0; i < ROUNDS; i++) {
		swapcontext(&main_context, &coroutine_context[i % 3]);
		take(50);
	}
}

/* ---- threads ---- */

static void *thread(void *arg)
{
	(void)arg;
	deep();
	return NULL;
}

static void threads(void)
{
	pthread_t t[8];
	pthread_attr_t large;

	pthread_attr_init(&large);
	pthread_attr_setstacksize(&large, 64 << 20);
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], i % 2 ? &large : NULL, thread, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

/* ---- libraries that come and go: two files that are mapped at the same place in turn ---- */

static void libraries(void)
{
	const char *names[] = { getenv("LIBRARY_A"), getenv("LIBRARY_B") };

	for (int i = 0; i < 40; i++) {
		void *library = dlopen(names[i % 2], RTLD_NOW | RTLD_LOCAL);
		void (*entry)(void (*)(size_t), int);

		if (!library) {
			puts(dlerror());
			exit(1);
		}
		*(void **)&entry = dlsym(library, "entry");
		entry(take, i);
		dlclose(library);
	}
}

/* ---- the first call through the procedure linkage table: the loader resolves the name ---- */

static void lazy(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *p = strdup("lazy");

		p = realloc(p, 100 + (size_t)i);
		free(p);
		free(calloc(3, 5));
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} shapes[] = {
	{ "deep", deep },
	{ "frame_pointer", frame_pointer },
	{ "realigned", realigned },
	{ "jumps", jumps },
	{ "signals", signals },
	{ "signal_stack", signal_stack },
	{ "coroutines", coroutines },
	{ "threads", threads },
	{ "libraries", libraries },
	{ "lazy", lazy },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		if (argc > 1 && strcmp(argv[1], shapes[i].name))
			continue;
		shapes[i].run();
		printf("done %s\n", shapes[i].name);
	}
	return 0;
}
