/* SPDX-License-Identifier: Apache-2.0 */
/* modules: see modules.h. One lock, for the time of reading the kernel's list; finding takes none. */
#include "preload/native/modules.h"
#include "preload/base/arena.h"
#include "preload/record/intern.h"
#include "preload/base/os.h"
#include "preload/py/py.h"
#include "preload/base/tracer.h"

#include <elf.h>
#include <string.h>

enum { MODULES_PER_CHUNK = 64, LINE_MAX_BYTES = 1024 };

struct chunk {
	struct module modules[MODULES_PER_CHUNK];
	_Atomic(unsigned) n;
	_Atomic(struct chunk *) next;
};

static struct chunk first;
static struct lock lock;
static uint32_t last_number;
static void (*on_gone)(uint64_t start, uint64_t end);

/* ---- the kernel's list ---- */

struct mapping {
	uint64_t start, end, offset, inode;
	bool readable, executable;
	const char *path; /* "" for memory of no file */
};

struct reader {
	int fd;
	size_t filled, at;
	char buf[8192];
};

static bool next_line(struct reader *r, char line[LINE_MAX_BYTES])
{
	size_t n = 0;

	for (;;) {
		if (r->at == r->filled) {
			long got = os_read(r->fd, r->buf, sizeof r->buf);

			if (got <= 0)
				return false;
			r->filled = (size_t)got;
			r->at = 0;
		}
		char c = r->buf[r->at++];

		if (c == '\n')
			break;
		if (n < LINE_MAX_BYTES - 1)
			line[n++] = c;
	}
	line[n] = '\0';
	return true;
}

static uint64_t take_number(const char **p, unsigned base)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		char c = **p;
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
							: 16;

		if (digit >= base)
			return v;
		v = v * base + digit;
	}
}

/* "start-end perms offset major:minor inode   path" */
static bool parse_line(const char *p, struct mapping *m)
{
	m->start = take_number(&p, 16);
	if (*p++ != '-')
		return false;
	m->end = take_number(&p, 16);
	if (*p++ != ' ' || strlen(p) < 5)
		return false;
	m->readable = p[0] == 'r';
	m->executable = p[2] == 'x';
	p += 5;
	m->offset = take_number(&p, 16);
	for (p++; *p && *p != ' '; p++)
		;
	if (!*p++)
		return false;
	m->inode = take_number(&p, 10);
	p += strspn(p, " ");
	m->path = p;
	return true;
}

static bool open_list(struct reader *r)
{
	r->filled = r->at = 0;
	r->fd = os_open("/proc/self/maps", O_RDONLY, 0);
	return r->fd >= 0;
}

bool modules_mapping(uint64_t addr, uint64_t *ret_lo, uint64_t *ret_hi)
{
	static struct reader r;
	char line[LINE_MAX_BYTES];
	struct mapping m;
	bool found = false;

	lock_take(&lock);
	if (open_list(&r)) {
		while (!found && next_line(&r, line))
			found = parse_line(line, &m) && addr >= m.start && addr < m.end && m.readable;
		os_close(r.fd);
	}
	lock_drop(&lock);
	*ret_lo = m.start;
	*ret_hi = m.end;
	return found;
}

/* ---- ELF headers in memory ---- */

static void find_build_id(struct module *m, const char *notes, size_t bytes)
{
	const Elf64_Nhdr *n;
	size_t name, desc;

	for (size_t at = 0; at + sizeof *n <= bytes; at += sizeof *n + name + desc) {
		n = (const Elf64_Nhdr *)(notes + at);
		name = (n->n_namesz + 3u) & ~3u;
		desc = (n->n_descsz + 3u) & ~3u;
		if (name > bytes || desc > bytes || at + sizeof *n + name + desc > bytes)
			return;
		if (n->n_type != NT_GNU_BUILD_ID || n->n_namesz != 4 || memcmp(n + 1, "GNU", 4) ||
		    n->n_descsz > sizeof m->build_id)
			continue;
		m->build_id_bytes = (uint8_t)n->n_descsz;
		memcpy(m->build_id, (const char *)(n + 1) + name, n->n_descsz);
		return;
	}
}

/* The file whose first page is mapped at `head`, up to `head_end`. False: no ELF file of this machine. */
static bool read_elf(struct module *m, uint64_t head, uint64_t head_end)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)(uintptr_t)head;
	const Elf64_Phdr *p;
	uint64_t low = UINT64_MAX, high = 0;

	if (head_end - head < sizeof *e || memcmp(e->e_ident, ELFMAG, SELFMAG) || e->e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->e_phentsize != sizeof *p || e->e_phoff + e->e_phnum * sizeof *p > head_end - head)
		return false;
	p = (const Elf64_Phdr *)(uintptr_t)(head + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD)
			continue;
		low = p[i].p_vaddr < low ? p[i].p_vaddr : low;
		high = p[i].p_vaddr + p[i].p_memsz > high ? p[i].p_vaddr + p[i].p_memsz : high;
	}
	if (low > high)
		return false;
	m->bias = head - (low & ~(uint64_t)(OS_PAGE - 1));
	m->cfi.start = head;
	m->cfi.end = m->bias + high;
	for (int i = 0; i < e->e_phnum; i++) {
		uint64_t at = m->bias + p[i].p_vaddr;

		if (p[i].p_type == PT_GNU_EH_FRAME)
			m->cfi.hdr = at;
		else if (p[i].p_type == PT_NOTE && at >= head && at + p[i].p_memsz <= head_end && !m->build_id_bytes)
			find_build_id(m, (const char *)(uintptr_t)at, p[i].p_memsz);
	}
	return true;
}

/* ---- the table ---- */

static bool holds(const struct module *m, uint64_t addr)
{
	return __atomic_load_n(&m->alive, __ATOMIC_ACQUIRE) && addr >= m->cfi.start && addr < m->cfi.end;
}

/* Mostly it is the module that was found last: the interpreter. */
static struct module *module_holding(uint64_t addr)
{
	static _Atomic(struct module *) last;
	struct module *hint = atomic_load_explicit(&last, memory_order_relaxed);

	if (hint && holds(hint, addr))
		return hint;
	for (struct chunk *c = &first; c; c = atomic_load_explicit(&c->next, memory_order_acquire)) {
		unsigned n = atomic_load_explicit(&c->n, memory_order_acquire);

		for (unsigned i = 0; i < n; i++) {
			struct module *m = &c->modules[i];

			if (holds(m, addr)) {
				atomic_store_explicit(&last, m, memory_order_relaxed);
				return m;
			}
		}
	}
	return NULL;
}

static struct module *free_entry(void)
{
	struct chunk *c = &first;

	for (;;) {
		for (unsigned i = 0; i < c->n; i++)
			if (!c->modules[i].alive)
				return &c->modules[i];
		if (c->n < MODULES_PER_CHUNK)
			return &c->modules[c->n];
		if (!c->next)
			atomic_store(&c->next, arena_alloc(sizeof *c));
		if (!c->next)
			return NULL;
		c = c->next;
	}
}

static void publish(struct module *m)
{
	struct chunk *c = &first;

	__atomic_store_n(&m->alive, true, __ATOMIC_RELEASE);
	while (m < c->modules || m >= c->modules + MODULES_PER_CHUNK)
		c = c->next;
	if (m == &c->modules[c->n])
		atomic_fetch_add(&c->n, 1);
}

static void set_path(struct module *m, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(path), tail = sizeof deleted - 1;

	if (n > tail && !strcmp(path + n - tail, deleted))
		n -= tail;
	n = n < sizeof m->path - 1 ? n : sizeof m->path - 1;
	memcpy(m->path, path, n);
	m->path[n] = '\0';
}

static uint8_t flags_of(const struct module *m, const char *program)
{
	return (uint8_t)((strcmp(m->path, program) ? 0 : PT_MODULE_MAIN) |
			 (strcmp(m->path, "[vdso]") ? 0 : PT_MODULE_VDSO));
}

/* Asked when the module is defined: an interpreter that is loaded late is found after its file was. */
static uint8_t python_flag(const struct module *m)
{
	uint64_t eval = (uint64_t)(uintptr_t)py_eval();

	return eval >= m->cfi.start && eval < m->cfi.end ? PT_MODULE_PYTHON : 0;
}

static void retire(struct module *m)
{
	__atomic_store_n(&m->alive, false, __ATOMIC_RELEASE);
	on_gone(m->cfi.start, m->cfi.end);
}

static bool is_same(const struct module *a, const struct module *b)
{
	return a->cfi.start == b->cfi.start && a->cfi.end == b->cfi.end && a->build_id_bytes == b->build_id_bytes &&
	       !memcmp(a->build_id, b->build_id, sizeof a->build_id) && !strcmp(a->path, b->path);
}

/* An executable mapping: `head` is the mapping of the same file's first page, when there is one. Code of no file gets
 * an entry as well, so that the next address in it does not make us read the list again. */
static void add(const struct mapping *code, const struct mapping *head, const char *program)
{
	struct module *known = module_holding(code->start), *m, fresh = { .alive = false };
	bool is_file;

	set_path(&fresh, code->path);
	is_file = head && read_elf(&fresh, head->start, head->end);
	if (!is_file)
		fresh.cfi.start = code->start, fresh.cfi.end = code->end;
	if (known && is_same(known, &fresh))
		return;
	if (known)
		retire(known);
	m = free_entry();
	if (!m)
		return;
	fresh.number = is_file ? ++last_number : 0;
	fresh.flags = flags_of(&fresh, program);
	*m = fresh;
	publish(m);
}

struct range {
	uint64_t start, end;
};
enum { RANGES_MAX = 2048 };

/* Reads the list and adds what is new; gives back the executable ranges, RANGES_MAX when there are too many. */
static unsigned read_list(struct range *code)
{
	static struct reader r;
	static char line[LINE_MAX_BYTES], program[512];
	struct mapping m, head = { 0 };
	unsigned n = 0;
	long bytes;

	if (!open_list(&r))
		return RANGES_MAX;
	bytes = os_readlink("/proc/self/exe", program, sizeof program - 1);
	program[bytes > 0 ? bytes : 0] = '\0';
	while (next_line(&r, line)) {
		if (!parse_line(line, &m))
			continue;
		if (m.readable && !m.offset && (m.inode || !strcmp(m.path, "[vdso]")))
			head = m;
		if (!m.executable || !m.readable)
			continue;
		add(&m, m.inode == head.inode ? &head : NULL, program);
		if (n < RANGES_MAX)
			code[n++] = (struct range){ m.start, m.end };
	}
	os_close(r.fd);
	return n;
}

static bool retire_missing(const struct range *code, unsigned n)
{
	bool any = false;

	for (struct chunk *c = &first; c; c = c->next) {
		for (unsigned i = 0; i < c->n; i++) {
			struct module *m = &c->modules[i];
			bool there = false;

			for (unsigned k = 0; m->alive && k < n && !there; k++)
				there = code[k].start >= m->cfi.start && code[k].start < m->cfi.end;
			if (m->alive && !there) {
				retire(m);
				any = true;
			}
		}
	}
	return any;
}

static struct range ranges[RANGES_MAX];

const struct module *modules_find(uint64_t addr)
{
	struct module *m = module_holding(addr);

	if (m)
		return m;
	lock_take(&lock);
	m = module_holding(addr);
	if (!m) {
		read_list(ranges);
		m = module_holding(addr);
	}
	lock_drop(&lock);
	return m;
}

bool modules_look_again(void)
{
	unsigned n;
	bool any;

	lock_take(&lock);
	n = read_list(ranges);
	any = n < RANGES_MAX && retire_missing(ranges, n);
	lock_drop(&lock);
	return any;
}

void modules_start(void (*gone)(uint64_t start, uint64_t end))
{
	on_gone = gone;
	modules_look_again();
}

uint32_t modules_number(struct thread *t, const struct module *m)
{
	struct module *mine = (struct module *)m;
	struct pt_module d;

	if (!m || !m->number)
		return 0;
	if (!__atomic_load_n(&m->defined, __ATOMIC_ACQUIRE)) {
		d = (struct pt_module){ .bias = m->bias,
					.start = m->cfi.start,
					.end = m->cfi.end,
					.path_bytes = (uint16_t)strlen(m->path),
					.build_id_bytes = m->build_id_bytes,
					.flags = m->flags | python_flag(m) };
		struct piece pieces[] = { { &d, sizeof d },
					  { m->build_id, m->build_id_bytes },
					  { m->path, d.path_bytes } };

		define_bytes(t, PT_OP_MODULE, m->number, pieces, 3);
		__atomic_store_n(&mine->defined, true, __ATOMIC_RELEASE);
	}
	return m->number;
}

void modules_after_fork(void)
{
	for (struct chunk *c = &first; c; c = c->next)
		for (unsigned i = 0; i < c->n; i++)
			c->modules[i].defined = false;
	lock_drop(&lock);
}
