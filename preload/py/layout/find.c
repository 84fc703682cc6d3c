/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find: which interpreter is loaded, and where its symbols are
 *
 * What:  py_symbols, py_info, the layout of the version, and from them the fields of py_state.
 * How:   dlsym only, so that the library loads into programs without Python; asked of the whole process, or of one
 *        object that was opened with RTLD_LOCAL. dlsym works in constructors, before the interpreter runs, and so
 *        do the few functions that are called here (Py_GetVersion formats a constant).
 */
#include "preload/py/parts.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

struct py_symbols py_symbols;
struct py_thread_locals py_thread_locals;
static struct py_info info;

static const struct {
	const char *name;
	uint16_t field;
} wanted[] = {
	{ "Py_GetVersion", offsetof(struct py_symbols, version) },
	{ "_PyThreadState_UncheckedGet", offsetof(struct py_symbols, current) }, /* up to 3.12 */
	{ "PyThreadState_GetUnchecked", offsetof(struct py_symbols, current) },  /* since */
	{ "PyGILState_GetThisThreadState", offsetof(struct py_symbols, gilstate) },
	{ "Py_IsInitialized", offsetof(struct py_symbols, is_initialized) },
	{ "PyInterpreterState_Head", offsetof(struct py_symbols, interp_head) },
	{ "PyInterpreterState_Main", offsetof(struct py_symbols, interp_main) },
	{ "PyMem_GetAllocator", offsetof(struct py_symbols, get_allocator) },
	{ "PyMem_SetAllocator", offsetof(struct py_symbols, set_allocator) },
	{ "PyObject_GetArenaAllocator", offsetof(struct py_symbols, get_arena) },
	{ "PyObject_SetArenaAllocator", offsetof(struct py_symbols, set_arena) },
	{ "_PyRuntime", offsetof(struct py_symbols, runtime) },
	{ "Py_Version", offsetof(struct py_symbols, hexversion) },
	{ "PyType_Type", offsetof(struct py_symbols, type_type) },
	{ "PyCode_Type", offsetof(struct py_symbols, code_type) },
	{ "PyUnicode_Type", offsetof(struct py_symbols, str_type) },
	{ "PyBytes_Type", offsetof(struct py_symbols, bytes_type) },
	{ "PyLong_Type", offsetof(struct py_symbols, int_type) },
	{ "PyCoro_Type", offsetof(struct py_symbols, coro_type) },
	{ "PyGen_Type", offsetof(struct py_symbols, gen_type) },
	{ "_Py_MergeZeroLocalRefcount", offsetof(struct py_symbols, merge_refcount) },
	{ "_Py_NegativeRefcount", offsetof(struct py_symbols, negative_refcount) },
	{ "_PyEval_EvalFrameDefault", offsetof(struct py_symbols, eval) },
	{ "PyUnstable_GC_VisitObjects", offsetof(struct py_symbols, gc_visit_objects) },
	{ "pypy_main_startup", offsetof(struct py_symbols, pypy) },
};

static void *searched; /* where the interpreter is; NULL is RTLD_DEFAULT */

void *py_symbol(const char *name) { return dlsym(searched, name); }

static void find_symbols(void *handle)
{
	searched = handle;
	for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		void *p = dlsym(handle, wanted[i].name);

		if (p)
			memcpy((char *)&py_symbols + wanted[i].field, &p, sizeof p);
	}
}

/* "3.12.1 (main, …)", "3.13.0rc1+ (…)": the first word, and as a number. */
static unsigned digits(const char **s)
{
	unsigned n = 0;

	for (; **s >= '0' && **s <= '9' && n < 1000; ++*s)
		n = n * 10 + (unsigned)(**s - '0');
	return n;
}

static uint32_t parse_version(const char *s)
{
	uint32_t major = digits(&s), minor, micro = 0, level = 0xf, serial = 0;

	s += *s == '.';
	minor = digits(&s);
	if (*s == '.')
		s++, micro = digits(&s);
	if (*s == 'a' || *s == 'b' || *s == 'r') {
		level = *s == 'a' ? 0xa : *s == 'b' ? 0xb : 0xc;
		s += *s == 'r' ? 2 : 1;
		serial = digits(&s);
	}
	return (major & 255) << 24 | (minor & 255) << 16 | (micro & 255) << 8 | level << 4 | (serial & 15);
}

static void read_version(void)
{
	const char *text = py_symbols.version();
	size_t n = strcspn(text, " ");

	if (n >= sizeof info.version)
		n = sizeof info.version - 1;
	memcpy(info.version, text, n);
	info.version[n] = 0;
	info.hexversion = parse_version(text);
}

static bool holds(const struct dl_phdr_info *object, uintptr_t p)
{
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];

		if (h->p_type == PT_LOAD && p - (object->dlpi_addr + h->p_vaddr) < h->p_memsz)
			return true;
	}
	return false;
}

struct place {
	unsigned n; /* objects seen; the main program comes first */
	bool in_main;
};

static int note_place(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct place *place = arg;

	if (place->n++ == 0)
		place->in_main = true;
	if (!holds(object, (uintptr_t)py_symbols.version)) {
		place->in_main = false;
		return 0;
	}
	if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof object->dlpi_tls_data ||
	    !object->dlpi_tls_data)
		return 1;
	for (int i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_TLS)
			py_thread_locals.bytes = object->dlpi_phdr[i].p_memsz;
	py_thread_locals.from_thread = (char *)object->dlpi_tls_data - (char *)__builtin_thread_pointer();
	return 1;
}

void py_stacks_off(const char *why)
{
	info.stacks_off = why;
	py_trust = PY_TRUST_NONE;
	py_state_off();
}

/*
 * `visited`, the byte that is marked since 3.14, belongs to the incremental collector, which 3.14.5 gave up and
 * distributions gave up earlier: its state, whose size the interpreter publishes, tells. Free-threaded builds never had
 * it. In debug builds other flags share the byte.
 */
enum { GC_SIZE_AT = 648, GC_SIZE_GENERATIONAL = 264, FIRST_FINAL_3_15 = 0x030f00f0 };

static bool visited_is_free(void)
{
	if (info.debug || !py_symbols.runtime)
		return false;
	if (info.free_threaded)
		return true;
	return py_layout.minor == 14 ? PY_AT(uint64_t, py_symbols.runtime, GC_SIZE_AT) == GC_SIZE_GENERATIONAL
				     : info.hexversion >= FIRST_FINAL_3_15;
}

/* Offsets, and what the hot path needs of them. */
static void choose_layout(void)
{
	unsigned minor = info.hexversion >> 16 & 255;

	if (info.hexversion >> 24 != 3 || !py_layout_choose(minor, info.free_threaded, py_symbols.runtime)) {
		py_stacks_off(info.free_threaded
				      ? "this free-threaded version of CPython is not known (3.13 and 3.14 are)"
				      : "this version of CPython is not known (3.8 to 3.15 are)");
		return;
	}
	if (minor >= 14 && !visited_is_free())
		py_layout_unmark();
	if (!py_symbols.current || !py_symbols.code_type || !py_symbols.str_type || !py_symbols.bytes_type ||
	    !py_symbols.runtime) {
		py_stacks_off("the interpreter hides symbols that stacks need");
		return;
	}
	py_trust = PY_TRUST_TRYING;
	py_state_on();
}

static void found_cpython(bool at_startup)
{
	struct place place = { 0 };

	info.implementation = "CPython";
	info.has_domains = py_symbols.get_allocator && py_symbols.set_allocator;
	read_version();
	info.free_threaded = py_symbols.merge_refcount != NULL;
	info.debug = py_symbols.negative_refcount != NULL;
	dl_iterate_phdr(note_place, &place);
	info.shared = !place.in_main;
	if (!at_startup)
		py_thread_locals.bytes = 0; /* each thread has them where malloc put them */
	choose_layout();
}

/* PyPy says its version only when it runs, but its library is called libpypy3.11-c.so. */
static void found_pypy(void)
{
	Dl_info object;
	const char *digits = NULL;
	size_t n;

	info.implementation = "PyPy";
	info.shared = true;
	info.stacks_off =
		"PyPy keeps its frames where only PyPy finds them; its objects are in the memory that it maps";
	if (dladdr(py_symbols.pypy, &object) && object.dli_fname)
		digits = strstr(object.dli_fname, "libpypy");
	digits = digits ? digits + strlen("libpypy") : "";
	n = strspn(digits, "0123456789.");
	memcpy(info.version, digits, n < sizeof info.version ? n : 0);
}

bool py_start(void *handle)
{
	static bool asked_before;
	bool at_startup = !asked_before && !handle;

	if (info.implementation)
		return true;
	asked_before = true;
	find_symbols(handle ? handle : RTLD_DEFAULT);
	if (py_symbols.pypy)
		found_pypy();
	else if (py_symbols.version)
		found_cpython(at_startup);
	return info.implementation;
}

const void *py_eval(void) { return py_symbols.eval; }

const struct py_info *py_info(void) { return &info; }
