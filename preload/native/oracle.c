/* SPDX-License-Identifier: Apache-2.0 */
/* oracle: see oracle.h. */
#include "preload/native/oracle.h"
#include "preload/native/native.h"

#ifdef PT_HAVE_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <string.h>

#define NAME_(x) #x
#define NAME(x)  NAME_(x)

static int (*init_local)(unw_cursor_t *, unw_context_t *);
static int (*init_interrupted)(unw_cursor_t *, unw_context_t *, int);
static int (*step)(unw_cursor_t *);
static int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
#ifdef __x86_64__
static int (*get_context)(unw_context_t *); /* a function on this machine, inline assembly on others */
#else
#define get_context(c) unw_getcontext(c)
#endif

bool oracle_start(void)
{
	void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return false;
	init_local = (int (*)(unw_cursor_t *, unw_context_t *))dlsym(lib, NAME(unw_init_local));
	init_interrupted = (int (*)(unw_cursor_t *, unw_context_t *, int))dlsym(lib, NAME(unw_init_local2));
	step = (int (*)(unw_cursor_t *))dlsym(lib, NAME(unw_step));
	get_reg = (int (*)(unw_cursor_t *, int, unw_word_t *))dlsym(lib, NAME(unw_get_reg));
#ifdef __x86_64__
	get_context = (int (*)(unw_context_t *))dlsym(lib, NAME(unw_tdep_getcontext));
	if (!get_context)
		get_context = (int (*)(unw_context_t *))dlsym(lib, "_Ux86_64_getcontext");
	if (!get_context)
		return false;
#endif
	return init_local && step && get_reg;
}

struct comparison {
	unw_cursor_t *cursor;
	struct oracle_wrong *wrong;
	uint64_t ip, sp;
	bool theirs_ended;
	bool of_write; /* our first frame is the instruction before */
	size_t agreed;
};

static void read_here(struct comparison *c)
{
	unw_word_t ip = 0, sp = 0;

	get_reg(c->cursor, UNW_REG_IP, &ip);
	get_reg(c->cursor, UNW_REG_SP, &sp);
	c->ip = ip;
	c->sp = sp;
	c->theirs_ended |= !ip;
}

static bool compare_one(void *arg, const struct cpu_context *ours)
{
	struct comparison *c = arg;

	if (c->theirs_ended)
		return false;
	if (ours->pc + (c->of_write && !c->agreed) != c->ip || ours->sp != c->sp) {
		*c->wrong = (struct oracle_wrong){ .ours = ours->pc, .theirs = c->ip };
		return false;
	}
	c->agreed++;
	c->theirs_ended = step(c->cursor) <= 0;
	if (!c->theirs_ended)
		read_here(c);
	return true;
}

size_t oracle_compare(struct thread *t, const void *frame, struct oracle_wrong *ret_wrong)
{
	int saved = errno;
	struct cpu_context first = cpu_caller(frame);
	unw_context_t context;
	unw_cursor_t cursor;
	struct comparison c = { .cursor = &cursor, .wrong = ret_wrong };
	bool cut;

	*ret_wrong = (struct oracle_wrong){ 0 };
	get_context(&context);
	init_local(&cursor, &context);
	do {
		c.theirs_ended = step(&cursor) <= 0;
		if (!c.theirs_ended)
			read_here(&c);
	} while (!c.theirs_ended && c.sp < first.sp);
	cut = native_each(t, frame, compare_one, &c);
	if (!ret_wrong->ours && !c.theirs_ended && !cut)
		*ret_wrong = (struct oracle_wrong){ .theirs = c.ip, .early = true };
	errno = saved;
	return c.agreed;
}

size_t oracle_compare_write(struct thread *t, const void *ucontext, struct oracle_wrong *ret_wrong)
{
	int saved = errno;
	unw_context_t context;
	unw_cursor_t cursor;
	struct comparison c = { .cursor = &cursor, .wrong = ret_wrong, .of_write = true };
	bool cut;

	*ret_wrong = (struct oracle_wrong){ 0 };
	memcpy(&context, ucontext, sizeof context);
	if (!init_interrupted || init_interrupted(&cursor, &context, UNW_INIT_SIGNAL_FRAME))
		return 0;
	read_here(&c);
	cut = native_each_of_write(t, ucontext, compare_one, &c);
	if (!ret_wrong->ours && !c.theirs_ended && !cut)
		*ret_wrong = (struct oracle_wrong){ .theirs = c.ip, .early = true };
	errno = saved;
	return c.agreed;
}

#else

bool oracle_start(void) { return false; }

size_t oracle_compare_write(struct thread *t, const void *ucontext, struct oracle_wrong *ret_wrong)
{
	(void)t, (void)ucontext;
	*ret_wrong = (struct oracle_wrong){ 0 };
	return 0;
}

size_t oracle_compare(struct thread *t, const void *frame, struct oracle_wrong *ret_wrong)
{
	(void)t, (void)frame;
	*ret_wrong = (struct oracle_wrong){ 0 };
	return 0;
}
#endif
