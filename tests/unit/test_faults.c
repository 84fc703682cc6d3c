/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores to a protected page do what they would do elsewhere: every instruction below runs on a page that can be
 * written and on one that is watched, with the same registers, and must leave the same memory, registers and flags.
 * Those of the first list are done by the decoder, those of the second by a step. The word that is watched is told of
 * once for each.
 */
#include "preload/cpu/store.h"
#include "preload/base/os.h"
#include "preload/watch/disguise.h"
#include "preload/watch/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what the module finds around it ---- */

struct tracer tracer = { .state = TRACER_ON };
static void (*on_segv)(int, siginfo_t *, void *);
static volatile unsigned n_hits, n_foreign, n_traps;
static volatile uint64_t hit_pc;

void lock_take(struct lock *l)
{
	while (!lock_try(l))
		;
}

void slots_hit(unsigned place, uint32_t round, bool late, const void *context)
{
	assert_int_equal(place, 3);
	assert_int_equal(round, 77);
	assert_false(late);
	n_hits++;
	hit_pc = cpu_context_pc(context);
}

struct slot *slots_of_place(unsigned place)
{
	(void)place;
	return NULL;
}
void slots_in_vain(unsigned place, uint32_t round) { fail_msg("%u %u", place, round); }
bool py_birth_elsewhere(const char *block, uint32_t place) { return block && place; }

static void on_trap(int number, siginfo_t *info, void *context)
{
	(void)number;
	n_traps++;
	assert_true(faults_trap(info, context));
}

static void install(int number, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags };

	sigfillset(&a.sa_mask);
	sigdelset(&a.sa_mask, SIGSEGV);
	assert_int_equal(sigaction(number, &a, NULL), 0);
}

bool disguise_take(int number, void (*f)(int number, siginfo_t *info, void *context))
{
	on_segv = f;
	install(number, f, SA_NODEFER | SA_ONSTACK);
	return true;
}

static sigjmp_buf foreign;
void disguise_forward(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	n_foreign++;
	siglongjmp(foreign, 1);
}

/* ---- memory ---- */

static char *memory; /* two pages: the first is watched, with the word at its end */
static char *code;
static bool owns(uintptr_t address) { return address - (uintptr_t)memory < 2 * OS_PAGE; }
enum { WORD = OS_PAGE - 16 };

/* First in each test: cmocka has a handler of SIGSEGV of its own. */
static void set_up(void **state)
{
	const char *why;

	(void)state;
	if (!code)
		code = mmap(NULL, 4 * OS_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory = code + 2 * OS_PAGE;
	assert_true(faults_start(owns, &why));
	install(SIGTRAP, on_trap, 0);
}

/* ---- instructions ---- */

/* Registers of the experiment; r15 points here. Offsets are known to the code below. */
struct registers {
	uint64_t r[16]; /* rax rcx rdx rbx (rsp) rbp rsi rdi r8 to r14 (r15) */
	uint64_t flags;
	uint64_t xmm[2][2]; /* xmm0, xmm9 */
	uint64_t saved_sp;
};

extern const char prologue[], prologue_end[], epilogue[], epilogue_end[];
__asm__(".pushsection .rodata\n"
	"prologue: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rdi, %r15; mov %rsp, 168(%r15)\n"
	"movups 136(%r15), %xmm0; movups 152(%r15), %xmm9\n"
	"pushq 128(%r15); popfq\n"
	"mov 0(%r15), %rax; mov 8(%r15), %rcx; mov 16(%r15), %rdx; mov 24(%r15), %rbx\n"
	"mov 40(%r15), %rbp; mov 48(%r15), %rsi; mov 56(%r15), %rdi; mov 64(%r15), %r8\n"
	"mov 72(%r15), %r9; mov 80(%r15), %r10; mov 88(%r15), %r11; mov 96(%r15), %r12\n"
	"mov 104(%r15), %r13; mov 112(%r15), %r14\n"
	"prologue_end:\n"
	"epilogue: mov %rax, 0(%r15); pushfq; popq 128(%r15)\n"
	"mov %rcx, 8(%r15); mov %rdx, 16(%r15); mov %rbx, 24(%r15)\n"
	"mov %rbp, 40(%r15); mov %rsi, 48(%r15); mov %rdi, 56(%r15); mov %r8, 64(%r15)\n"
	"mov %r9, 72(%r15); mov %r10, 80(%r15); mov %r11, 88(%r15); mov %r12, 96(%r15)\n"
	"mov %r13, 104(%r15); mov %r14, 112(%r15)\n"
	"movups %xmm0, 136(%r15); movups %xmm9, 152(%r15)\n"
	"cld; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	"epilogue_end:\n"
	".popsection\n");

struct instruction {
	const char *text;
	const char *start, *end;
};
#define PUT(name, text)                         \
	extern const char name[], name##_end[]; \
	__asm__(".pushsection .rodata\n" #name ": " text "\n" #name "_end:\n.popsection\n");
#define ROW(name, text) { text, name, name##_end },
#define DECODED         PUT
#define STEPPED         PUT
#include "tests/unit/stores.def"

static const struct instruction decoded[] = {
#define DECODED ROW
#include "tests/unit/stores.def"
};
static const struct instruction stepped[] = {
#define STEPPED ROW
#include "tests/unit/stores.def"
};

static uint64_t seed = 12345;
static uint64_t random_word(void)
{
	static const uint64_t edges[] = { 0,    1,          2,          3,          0x7f,      0x80,
					  0xff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX };

	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return seed >> 62 ? seed ^ seed << 17 : edges[(seed >> 33) % 12];
}

static char *put_code(const struct instruction *i)
{
	char *p = code;

	p = mempcpy(p, prologue, (size_t)(prologue_end - prologue));
	p = mempcpy(p, i->start, (size_t)(i->end - i->start));
	mempcpy(p, epilogue, (size_t)(epilogue_end - epilogue));
	return p;
}

static void choose_registers(struct registers *r)
{
	uint64_t word = (uint64_t)(uintptr_t)memory + WORD;

	for (int n = 0; n < 16; n++)
		r->r[n] = random_word();
	r->r[7] = word;
	r->r[3] = word - 0x80;
	r->r[6] = 0x18;
	r->r[5] = word + 8;
	r->r[12] = word;
	r->r[13] = word;
	r->r[14] = (uint64_t)0;
	r->flags = 2 | (random_word() & 0x8d5);
	for (int n = 0; n < 4; n++)
		r->xmm[n / 2][n % 2] = random_word();
}

/* Registers that the address needs are as it needs them, for these. */
static void choose_for(const struct instruction *i, struct registers *r)
{
	choose_registers(r);
	if (strstr(i->text, "rbx,%rsi,8"))
		r->r[6] = (0x80 + 64) / 8;
	if (strstr(i->text, "r12,%r14,4"))
		r->r[14] = (uint64_t)-0x40;
	if (strstr(i->text, "r13,%r14,2"))
		r->r[14] = (uint64_t)-4;
	if (strstr(i->text, "rbp,%rsi"))
		r->r[6] = (uint64_t)-8;
	if (strstr(i->text, "movs"))
		r->r[6] = (uint64_t)(uintptr_t)memory + 64;
	if (strstr(i->text, "rep"))
		r->r[1] = 3;
	if (strstr(i->text, "cmpxchg") && seed & 1 << 20)
		memcpy(&r->r[0], memory + WORD, 8);
}

static void run(struct registers *r) { ((void (*)(struct registers *))(void *)code)(r); }

static void same_effect(const struct instruction *i, bool is_decoded)
{
	struct registers before, plain, watched;
	char page[2 * OS_PAGE], after[2 * OS_PAGE];
	char *at_end;

	for (size_t n = 0; n < sizeof page; n += 8) {
		uint64_t w = random_word();

		memcpy(page + n, &w, 8);
	}
	memcpy(memory, page, sizeof page);
	choose_for(i, &before);
	at_end = put_code(i);
	plain = watched = before;
	run(&plain);
	memcpy(after, memory, sizeof after);
	memcpy(memory, page, sizeof page);
	assert_true(faults_arm(3, memory + WORD, 8, 77));
	n_hits = n_traps = 0;
	run(&watched);
	if (memcmp(after, memory, sizeof after) || memcmp(&plain, &watched, sizeof plain))
		fail_msg("%s: another effect; flags %lx before, %lx right, %lx here", i->text, before.flags,
			 plain.flags, watched.flags);
	assert_true(faults_disarm(3));
	if (!strstr(i->text, "cmpxchg") && !n_hits)
		fail_msg("%s: not told", i->text);
	if (is_decoded && (n_traps || (n_hits && hit_pc != (uint64_t)(uintptr_t)at_end)))
		fail_msg("%s: %u traps, %u hits", i->text, n_traps, n_hits);
	if (!is_decoded && !n_traps)
		fail_msg("%s: no step", i->text);
}

static void stores_that_are_known(void **state)
{
	set_up(state);
	for (size_t n = 0; n < sizeof decoded / sizeof *decoded; n++)
		for (int round = 0; round < 200; round++)
			same_effect(&decoded[n], true);
}

static void stores_that_are_stepped(void **state)
{
	set_up(state);
	for (size_t n = 0; n < sizeof stepped / sizeof *stepped; n++)
		for (int round = 0; round < 20; round++)
			same_effect(&stepped[n], false);
}

/* ---- what is near ---- */

static volatile uint64_t *word_at(size_t offset) { return (volatile uint64_t *)(memory + offset); }

static void other_words_are_silent(void **state)
{
	set_up(state);
	faults_arm(3, memory + WORD, 8, 77);
	n_hits = 0;
	*word_at(WORD - 8) = 5;
	*word_at(WORD + 8) = 6;
	*word_at(0) = 7;
	memset(memory + 64, 1, 512);
	assert_int_equal(n_hits, 0);
	*word_at(WORD) = 8;
	*word_at(WORD) = 8;
	assert_int_equal(n_hits, 2);
	assert_int_equal(*word_at(WORD - 8) + *word_at(WORD + 8) + *word_at(0) + *word_at(WORD), 26);
	faults_disarm(3);
	*word_at(WORD) = 9;
	assert_int_equal(n_hits, 2);
}

static void faults_of_others_are_passed_on(void **state)
{
	char *p = mmap(NULL, OS_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	set_up(state);
	n_foreign = 0;
	if (!sigsetjmp(foreign, 1))
		*(volatile char *)p = 1;
	if (!sigsetjmp(foreign, 1))
		*(volatile char *)NULL = 1;
	assert_int_equal(n_foreign, 2);
	munmap(p, OS_PAGE);
}

/* On an alternate stack the telling is left to a SIGTRAP, which has none. */
static void small_alternate_stacks_suffice(void **state)
{
	static char stack[8 << 10];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack }, none = { .ss_flags = SS_DISABLE };

	set_up(state);
	assert_int_equal(sigaltstack(&alternate, NULL), 0);
	faults_arm(3, memory + WORD, 8, 77);
	n_hits = n_traps = 0;
	for (int i = 0; i < 10; i++)
		*word_at(WORD) = (uint64_t)i;
	assert_int_equal(n_hits, 10);
	assert_int_equal(n_traps, 10);
	__asm__ volatile("negq %0" : "+m"(*word_at(WORD)));
	assert_int_equal(n_hits, 11);
	faults_disarm(3);
	sigaltstack(&none, NULL);
}

static void blocked_traps_and_masks(void **state)
{
	sigset_t all, now;

	set_up(state);
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigprocmask(SIG_SETMASK, &all, NULL);
	faults_arm(3, memory + WORD, 8, 77);
	n_hits = 0;
	__asm__ volatile("negq %0" : "+m"(*word_at(WORD)));
	__asm__ volatile("incq %0" : "+m"(*word_at(WORD)));
	assert_int_equal(n_hits, 2);
	faults_disarm(3);
	sigprocmask(SIG_SETMASK, NULL, &now);
	assert_true(sigismember(&now, SIGTRAP) == 1 && sigismember(&now, SIGUSR1) == 1 &&
		    sigismember(&now, SIGSEGV) == 0);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* No /proc/self/mem, because no descriptor is left. */
static void without_descriptors(void **state)
{
	struct rlimit old, none;

	set_up(state);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	faults_arm(3, memory + WORD, 8, 77);
	n_hits = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	*word_at(WORD) = 1;
	*word_at(WORD) += 4;
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(*word_at(WORD), 5);
	assert_int_equal(n_hits, 2);
	faults_disarm(3);
}

static void children_run_on(void **state)
{
	int status;
	pid_t pid;

	set_up(state);
	faults_arm(3, memory + WORD, 8, 77);
	*word_at(WORD) = 1;
	n_hits = 0;
	pid = fork();
	if (!pid) {
		atomic_store(&tracer.state, TRACER_UNKNOWN);
		for (int i = 0; i < 100; i++)
			++*word_at(WORD);
		_exit(n_hits == 0 && *word_at(WORD) == 101 ? 7 : 8);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 7);
	pid = vfork(); /* in our memory, with our state */
	if (!pid) {
		++*word_at(WORD);
		__asm__ volatile("negq %0" : "+m"(*word_at(WORD)));
		_exit(9);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 9);
	assert_int_equal(n_hits, 0);
	assert_int_equal(*word_at(WORD), (uint64_t)-2);
	*word_at(WORD) = 5;
	assert_int_equal(n_hits, 1);
	faults_disarm(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_that_are_known),
		cmocka_unit_test(stores_that_are_stepped),
		cmocka_unit_test(other_words_are_silent),
		cmocka_unit_test(faults_of_others_are_passed_on),
		cmocka_unit_test(small_alternate_stacks_suffice),
		cmocka_unit_test(blocked_traps_and_masks),
		cmocka_unit_test(without_descriptors),
		cmocka_unit_test(children_run_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
