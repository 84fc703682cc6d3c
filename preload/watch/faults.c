/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults: the handler
 *
 * The write is done through /proc/self/mem, which asks for no permission: the page stays protected, so no other thread
 * can slip through. Where that can't be opened (no /proc, a sandbox, no descriptor left) the page is opened for the
 * moment. An instruction that the decoder does not know runs by itself, with the page open, all signals blocked and
 * the trap flag set.
 *
 * Stack: SIGSEGV is handled on the alternate stack where the program has one and wants that one used for it
 * (faulthandler). It is too small for writing an event, so there the rest is done in a SIGTRAP that the thread sends
 * itself; it is delivered before the thread's next instruction, on its own stack. Children: vfork's share our memory,
 * and run on as if nothing was watched; others open all pages at their first fault.
 */
#include "preload/watch/faults.h"
#include "preload/cpu/store.h"
#include "preload/base/os.h"
#include "preload/py/objects/births.h"
#include "preload/watch/disguise.h"

#include <string.h>
#include <ucontext.h>

enum { STEP_PAGES = 4, STEP_WORDS = 8, TRIES = 1000 };

struct place {
	_Atomic(uintptr_t) page; /* 0: not armed */
	uintptr_t address;
	unsigned bytes;
	uint32_t round;
};
static struct place places[FAULTS_PLACES];
static _Atomic(unsigned) places_used; /* none is armed beyond */

static bool (*owns)(uintptr_t address);
static _Atomic(uint32_t) owner; /* the process that arms and records */
static struct lock writing;     /* what is done for a thread is one step for the others */

/* What a thread is in the middle of: one instruction of the program. Signals are blocked meanwhile. */
struct step {
	bool runs;       /* by itself, with pages open */
	bool told_later; /* it was done; a SIGTRAP of our own is on its way */
	unsigned n_pages, n_words;
	uintptr_t page[STEP_PAGES];
	uintptr_t start; /* where it writes */
	unsigned bytes;  /* how much; when it runs by itself, only the first byte is known */
	uint64_t mask;   /* signals that the thread had blocked */
	uintptr_t tried; /* an open page faulted for this instruction ... */
	unsigned tries;  /* ... so many times */
	struct {
		unsigned place;
		uint64_t before;
	} word[STEP_WORDS]; /* on those pages */
};
static __thread struct step step __attribute__((tls_model("initial-exec")));

static uintptr_t page_of(uintptr_t address) { return address & ~(uintptr_t)(OS_PAGE - 1); }

static bool open_page(uintptr_t page) { return !os_call(SYS_mprotect, page, OS_PAGE, PROT_READ | PROT_WRITE); }
static bool close_page(uintptr_t page) { return !os_call(SYS_mprotect, page, OS_PAGE, PROT_READ); }

static bool is_armed(uintptr_t page)
{
	for (unsigned i = 0; i < atomic_load(&places_used); i++)
		if (atomic_load(&places[i].page) == page)
			return true;
	return false;
}

/* ---- telling ---- */

static bool is_written(const struct place *p, uintptr_t start, size_t bytes)
{
	return atomic_load(&p->page) && start < p->address + p->bytes && p->address < start + bytes;
}

/* Who waits for an object must not protect another one, into which the kernel may be told to write. */
static void look_elsewhere(unsigned place, uintptr_t start)
{
	const struct slot *s = slots_of_place(place);

	if (s && s->state == SLOT_WAITING && start - (uintptr_t)s->block < OS_PAGE &&
	    py_birth_elsewhere(s->block, (uint32_t)(s->object - s->block)))
		slots_in_vain(place, places[place].round);
}

static void tell(uintptr_t start, size_t bytes, const void *context)
{
	for (unsigned i = 0; i < atomic_load(&places_used); i++) {
		if (is_written(&places[i], start, bytes))
			slots_hit(i, places[i].round, false, context);
		else if (atomic_load(&places[i].page) == page_of(start))
			look_elsewhere(i, start);
	}
}

/* The kernel's set of signals in a context: it has 64, libc makes room for more that is not there. */
static uint64_t *mask_of(void *context) { return (uint64_t *)&((ucontext_t *)context)->uc_sigmask; }

static uint64_t signal_bit(int number) { return UINT64_C(1) << (number - 1); }

/* Until the SIGTRAP. */
static void block_signals(void *context)
{
	step.mask = *mask_of(context);
	*mask_of(context) = ~(signal_bit(SIGTRAP) | signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) |
			      signal_bit(SIGFPE) | signal_bit(SIGSYS));
}

static bool is_on_alternate_stack(const void *context)
{
	const stack_t *s = &((const ucontext_t *)context)->uc_stack;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return !(s->ss_flags & SS_DISABLE) && here - (uintptr_t)s->ss_sp < s->ss_size;
}

static void tell_later(uintptr_t start, unsigned bytes, void *context)
{
	step.start = start;
	step.bytes = bytes;
	step.told_later = true;
	block_signals(context);
	os_call(SYS_tgkill, os_pid(), os_tid(), SIGTRAP);
}

/* ---- doing what the program wanted to ---- */

/* Past the protection. */
static bool write_past(uintptr_t address, const void *data, size_t bytes)
{
	int fd = os_open("/proc/self/mem", O_WRONLY, 0);
	bool ok = fd >= 0 && os_pwrite(fd, data, bytes, address) == (long)bytes;

	if (fd >= 0)
		os_close(fd);
	return ok;
}

/* With the page open for a moment. */
static bool write_open(uintptr_t address, const void *data, size_t bytes)
{
	uintptr_t first = page_of(address), last = page_of(address + bytes - 1);

	for (uintptr_t page = first; page <= last; page += OS_PAGE)
		if (is_armed(page) && !open_page(page))
			return false;
	memcpy((void *)address, data, bytes);
	for (uintptr_t page = first; page <= last; page += OS_PAGE)
		if (is_armed(page))
			close_page(page);
	return true;
}

/* The decoded instruction, with the lock held. */
static bool perform(uintptr_t fault, void *context, struct cpu_store *s)
{
	if (!cpu_store_decode(context, s) || fault - s->address >= CPU_STORE_MAX)
		return false;
	if (s->bytes && !write_past(s->address, s->data, s->bytes) && !write_open(s->address, s->data, s->bytes))
		return false;
	cpu_store_passed(context, s);
	return true;
}

/* ---- letting it run by itself ---- */

static void note_words(uintptr_t page)
{
	for (unsigned i = 0; i < atomic_load(&places_used) && step.n_words < STEP_WORDS; i++) {
		if (atomic_load(&places[i].page) != page)
			continue;
		step.word[step.n_words].place = i;
		memcpy(&step.word[step.n_words].before, (const void *)places[i].address, places[i].bytes);
		step.n_words++;
	}
}

/* It may write to several pages, and faults once for each. */
static bool step_over(uintptr_t fault, void *context)
{
	uintptr_t page = page_of(fault);

	if (!step.runs) {
		step.n_pages = step.n_words = 0;
		memset(step.word, 0, sizeof step.word);
		step.start = fault;
		block_signals(context);
	}
	if (step.n_pages == STEP_PAGES || !open_page(page))
		return false;
	step.runs = true;
	step.page[step.n_pages++] = page;
	note_words(page);
	cpu_step(context, true);
	return true;
}

static void step_ends(void *context)
{
	for (unsigned i = 0; i < step.n_pages; i++)
		if (is_armed(step.page[i]))
			close_page(step.page[i]);
	cpu_step(context, false);
	*mask_of(context) = step.mask;
	step.runs = false;
	lock_drop(&writing);
}

static void tell_changed(const void *context)
{
	for (unsigned i = 0; i < step.n_words; i++) {
		const struct place *p = &places[step.word[i].place];

		if (is_written(p, step.start, 1) ||
		    (atomic_load(&p->page) && memcmp(&step.word[i].before, (const void *)p->address, p->bytes) != 0))
			slots_hit(step.word[i].place, p->round, false, context);
		else if (atomic_load(&p->page))
			look_elsewhere(step.word[i].place, step.start);
	}
}

bool faults_trap(const siginfo_t *info, void *context)
{
	if (step.told_later) {
		step.told_later = false;
		*mask_of(context) = step.mask;
		tell(step.start, step.bytes, context);
		return info->si_code <= 0;
	}
	if (!step.runs || info->si_code <= 0)
		return false;
	step_ends(context);
	if (os_pid() == atomic_load(&owner))
		tell_changed(context);
	return true;
}

/* ---- the handler ---- */

/* Another thread has just opened the page, or it is one that is not ours to open: that shows when it goes on and on. */
static bool try_again(uintptr_t fault, uintptr_t pc)
{
	step.tries = step.tried == (fault ^ pc) ? step.tries + 1 : 0;
	step.tried = fault ^ pc;
	return step.tries < TRIES;
}

static bool serve(uintptr_t fault, void *context)
{
	struct cpu_store s;
	bool done, on_alternate = is_on_alternate_stack(context);

	if (step.runs)
		return step_over(fault, context);
	lock_take(&writing);
	if (!is_armed(page_of(fault))) {
		lock_drop(&writing);
		return try_again(fault, cpu_context_pc(context));
	}
	step.tries = 0;
	done = perform(fault, context, &s);
	if (!done && step_over(fault, context))
		return true; /* the lock is dropped by step_ends */
	lock_drop(&writing);
	if (!done || os_pid() != atomic_load(&owner))
		return done;
	if (on_alternate)
		tell_later(s.address, s.bytes, context);
	else
		tell(s.address, s.bytes, context);
	return true;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t fault = (uintptr_t)info->si_addr;

	if (info->si_code == SEGV_ACCERR && fault != cpu_context_pc(context) && owns(fault)) {
		if (os_pid() != atomic_load(&owner) && !tracer_is_on())
			faults_after_fork(); /* not vfork's child, whose memory is ours: that one has the parent's state
					      */
		if (serve(fault, context))
			return;
	}
	if (step.runs)
		step_ends(context);
	disguise_forward(number, info, context);
}

/* ---- places ---- */

bool faults_start(bool (*owns_)(uintptr_t address), const char **ret_why)
{
	*ret_why = cpu_step_off();
	if (*ret_why)
		return false;
	owns = owns_;
	atomic_store(&owner, os_pid());
	*ret_why = "the handler of SIGSEGV could not be set";
	return disguise_take(SIGSEGV, on_fault);
}

bool faults_arm(unsigned place, const void *address, unsigned bytes, uint32_t round)
{
	struct place *p = &places[place];
	uintptr_t page = page_of((uintptr_t)address);
	bool armed = is_armed(page);

	atomic_store(&p->page, 0);
	p->address = (uintptr_t)address;
	p->bytes = bytes;
	p->round = round;
	if (place >= atomic_load(&places_used))
		atomic_store(&places_used, place + 1);
	atomic_store(&p->page, page);
	if (armed || close_page(page))
		return true;
	atomic_store(&p->page, 0);
	return false;
}

bool faults_disarm(unsigned place)
{
	uintptr_t page = atomic_exchange(&places[place].page, 0);

	if (page && !is_armed(page))
		open_page(page);
	return page;
}

bool faults_holds(unsigned place) { return atomic_load(&places[place].page); }

void faults_forget(const void *start, size_t bytes)
{
	for (unsigned i = 0; i < atomic_load(&places_used); i++)
		if (atomic_load(&places[i].page) && places[i].address - (uintptr_t)start < bytes)
			faults_disarm(i);
}

void faults_after_fork(void)
{
	lock_drop(&writing);
	step.runs = step.told_later = false;
	for (unsigned i = 0; i < FAULTS_PLACES; i++)
		faults_disarm(i);
	atomic_store(&owner, os_pid());
}
