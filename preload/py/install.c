/* SPDX-License-Identifier: Apache-2.0 */
/*
 * install: the tracer's allocator hooks, and putting them back
 *
 * What:  PyMem_SetAllocator on the three domains and PyObject_SetArenaAllocator, before the interpreter starts; and
 *        again whenever the interpreter has put allocators of its own in their place.
 * When:  PYTHONMALLOC and -X dev set all domains anew in Py_PreInitialize; from 3.12 a second Py_Initialize starts
 *        with the initial table. Both happen while the interpreter is not initialised, so the malloc hook looks
 *        then.
 * Rules: each installation has a new record of what it replaced, for a hook that somebody saved and restored must
 *        go on calling what it called. No block changes its allocator: a hook passes on what it gets. RAW is
 *        switched for moments by the interpreter itself (_PyMem_SetDefaultAllocator), so its loss alone means
 *        nothing while the interpreter starts; that is looked at when it has started. Who wraps our hooks
 *        (tracemalloc, PyMem_SetupDebugHooks) is left above them.
 */
#include "preload/py/parts.h"

#include <link.h>
#include <string.h>

#include "preload/base/arena.h"
#include "preload/py/module/module.h"

enum { LOOKS_AFTER_START = 64, INSTALLATIONS_MAX = 1000 };
enum { DEBUG_HEADER = 16 }; /* bytes that the debug hooks put before a block */

struct saved {
	struct py_allocator domain[PY_DOMAINS];
	struct py_arena_allocator arena;
};

static struct py_hooks ours;
static unsigned n_installed, looks_left;
static int initialized_by_function; /* for versions whose flag is not known */
static struct {
	uintptr_t start, end;
} interpreter_data; /* where its static variables are */

/* ---- what is in force ---- */

static bool is_ours(enum py_domain d, const struct py_allocator *a) { return a->malloc == ours.domain[d].malloc; }

/*
 * Whether somebody put his hooks on top of ours. His context is a struct in the interpreter's static data that begins
 * with the allocator that he calls (tracemalloc), or has it behind one byte (the debug hooks: *shift is then the size
 * of the header that they put before a block).
 */
static bool is_above_ours(enum py_domain d, const struct py_allocator *a, uint32_t *shift)
{
	uintptr_t ctx = (uintptr_t)a->ctx;
	void *words[3];
	void *malloc = (void *)ours.domain[d].malloc;

	if (ctx < interpreter_data.start || ctx + sizeof words > interpreter_data.end || ctx % sizeof(void *))
		return false;
	memcpy(words, a->ctx, sizeof words);
	if (words[2] == malloc)
		*shift = DEBUG_HEADER;
	return words[1] == malloc || words[2] == malloc;
}

/* ---- installing ---- */

static void install_domain(enum py_domain d, struct py_allocator *save)
{
	struct py_allocator a = ours.domain[d], now;

	py_symbols.get_allocator(d, &now);
	if (is_ours(d, &now))
		return;
	*save = now;
	a.ctx = save;
	py_symbols.set_allocator(d, &a);
}

static void install_arena(struct py_arena_allocator *save)
{
	struct py_arena_allocator a = ours.arena, now;

	if (!py_symbols.get_arena || !py_symbols.set_arena)
		return;
	py_symbols.get_arena(&now);
	if (now.alloc == ours.arena.alloc)
		return;
	*save = now;
	a.ctx = save;
	py_symbols.set_arena(&a);
}

static void install(void)
{
	struct saved *saved;

	if (n_installed++ >= INSTALLATIONS_MAX) {
		py_state.watch = false; /* somebody else insists */
		return;
	}
	saved = arena_alloc(sizeof *saved);
	if (!saved)
		return;
	for (enum py_domain d = 0; d < PY_DOMAINS; d++)
		install_domain(d, &saved->domain[d]);
	install_arena(&saved->arena);
	/* blocks that died while the hooks were away were not seen */
	__atomic_add_fetch(&py_state.deaths, 1, __ATOMIC_RELEASE);
	py_types_wipe_all();
}

/* ---- where the interpreter's data is ---- */

static int note_data(struct dl_phdr_info *object, size_t size, void *arg)
{
	uintptr_t p = (uintptr_t)arg;

	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + h->p_vaddr;

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_W) || p < start || p >= start + h->p_memsz)
			continue;
		interpreter_data.start = start;
		interpreter_data.end = start + h->p_memsz;
		return 1;
	}
	return 0;
}

static void watch_state(void)
{
	if (py_layout.minor && py_symbols.runtime) {
		py_state.initialized = &PY_AT(int, py_symbols.runtime, py_layout.run_initialized);
		py_state.finalizing = &PY_AT(void *, py_symbols.runtime, py_layout.run_finalizing);
	} else {
		py_state.initialized = &initialized_by_function;
	}
	py_state.watch = true;
}

void py_install(const struct py_hooks *hooks)
{
	if (!py_symbols.get_allocator || !py_symbols.set_allocator || n_installed)
		return;
	ours = *hooks;
	if (py_symbols.runtime)
		dl_iterate_phdr(note_data, (void *)py_symbols.runtime);
	install();
	watch_state();
}

/* ---- watching ---- */

/* Whether a domain that is neither ours nor below somebody's hooks must be taken again. */
static bool lost(enum py_domain d)
{
	struct py_allocator now;
	uint32_t shift = 0;

	py_symbols.get_allocator(d, &now);
	if (is_ours(d, &now) || is_above_ours(d, &now, &shift)) {
		if (d == PY_DOMAIN_OBJ && py_trust != PY_TRUST_NONE)
			py_state.block_type = py_layout.object_type + shift;
		return false;
	}
	return true;
}

void py_watch_closely(void)
{
	bool started = py_initialized();

	if (!started)
		module_watch();
	if (!started) {
		py_state.recheck = true;
		looks_left = LOOKS_AFTER_START;
		if (py_state.initialized == &initialized_by_function && py_symbols.is_initialized)
			initialized_by_function = py_symbols.is_initialized();
	} else if (!looks_left || !--looks_left) {
		py_state.recheck = false;
	}
	/* the last look after the start is the one that takes RAW, too: the interpreter's own switches are over */
	if (lost(PY_DOMAIN_OBJ) || lost(PY_DOMAIN_MEM) || (started && !py_state.recheck && lost(PY_DOMAIN_RAW)))
		install();
}
