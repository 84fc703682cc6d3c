/* SPDX-License-Identifier: Apache-2.0 */
/*
 * who: see who.h
 *
 * asyncio. The running task is what asyncio.current_task() would say: since 3.14 a word of the thread state; before,
 * the C module's dict from loop to task, where the loop is the thread's running one. Loops and tasks of any make end up
 * there (uvloop, eager tasks, task groups). Inside a task its coroutine and its name lie side by side, at a place that
 * is learnt from the first task seen: a coroutine in front of a str or an int (the number of a task without a name).
 *
 * greenlet. Its library, 2.0 and later, keeps a thread's state behind a thread-local word: the main greenlet and the
 * current one. The word is found once a thread, as the one in the library's thread-local storage that leads to two
 * greenlets. The main greenlet is the thread itself, so it is no task.
 *
 * Free-threaded builds: no dict that other threads may be changing is read. So there are tasks from 3.14t on, names of
 * threads that threading started, and no greenlets.
 *
 * Identity. Addresses are used again, so a task is known by its address together with its coroutine and its name: a
 * signature. Each thread remembers some; a task that was forgotten is defined again, which readers fold.
 */
#include "preload/py/stack/who.h"

#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "formats/event.h"
#include "preload/base/arena.h"
#include "preload/record/emit.h"
#include "preload/base/os.h"
#include "preload/py/peek.h"
#include "preload/py/stack/thread_name.h"
#include "preload/record/thread.h"

enum { KNOWN = 1024, NAME_BYTES = 500, TASK_BYTES_MAX = 4096, TYPES_DEEP = 16, TRIES_AT_ONCE = 64, DOUBTS = 1024 };
#define NOWHERE UINT32_MAX

struct known {
	const char *object;
	uint64_t sign;
	uint32_t id;
};

/* What was found. */
struct runs {
	const char *object;   /* NULL: nothing but the thread */
	uint8_t kind;         /* enum pt_task */
	const char *name;     /* str, int or NULL */
	const char *function; /* str or NULL */
	uint64_t sign;
	const char *frame;
	const char *const *name_at; /* NULL: the name may change unseen */
};

/* Of one thread. */
struct py_who {
	uint32_t epoch;
	uint32_t task; /* what the last SWITCH said */
	const char *object;
	uint64_t sign;
	const char *frame; /* of a task's coroutine; NULL: it has none that can be known */
	uint32_t index;    /* which one on the stack that is; NOWHERE */
	uint32_t doubts;   /* looks to come that are not left out */
	bool is_greenlet;
	const char *const *name_at, *name; /* of a task in C: where its name is, and was */
	const char *dict;                  /* the thread state's, seen to be one */
	const char *const *word;           /* greenlet's, of this thread; and the state that it led to */
	const char *state;
	const char *root; /* outermost frame when the word was looked for */
	uint32_t tries;
	struct py_name name_of_thread;
	struct known known[KNOWN];
};

/* Of the process. */
static struct {
	bool look_for_tasks, look_for_greenlets; /* what was missing may be there: new code was seen */
	const struct py_who *looper;             /* a thread with a running loop */
	bool many_loopers;
	int32_t pid;
	struct py_path tasks_path;
	const char *current_tasks, *tasks_seen; /* up to 3.13: asyncio's dict from loop to task */
	const char *loop_key;                   /* in the thread state's dict, up to 3.12 */
	const char *task_type, *task_subtype;
	uint32_t coroutine_at; /* in a task; its name is behind it */
	const char *greenlet_type;
} who;

static _Atomic(uint32_t) last_task;

/* ---- what the program loads ---- */

bool py_ends_with(const struct piece *text, const char *end)
{
	size_t n = strlen(end);

	return text->bytes >= n && !memcmp((const char *)text->data + text->bytes - n, end, n);
}

void py_who_code(const char *code, const struct piece *file, const struct piece *name)
{
	if (py_ends_with(file, "asyncio/tasks.py"))
		py_state.who |= WHO_ASYNCIO;
	else if (py_ends_with(file, "greenlet/__init__.py"))
		py_state.who |= WHO_GREENLET;
	else if (py_ends_with(file, "threading.py"))
		py_name_code(code, name);
	who.look_for_tasks = who.look_for_greenlets = true;
}

/* ---- signatures ---- */

static uint64_t mix(uint64_t a, uint64_t b) { return (a ^ b) * UINT64_C(0x9e3779b97f4a7c15) ^ (a >> 29); }

static uint64_t load(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* Eight bytes from the start of a text are always there: blocks are multiples of 16 bytes. */
uint64_t py_name_sign(const char *name)
{
	uint64_t length, value;
	const char *text;
	bool is_ascii;

	if (!name || PY_AT(void *, name, py_layout.object_type) != py_symbols.str_type)
		return name && py_int(name, &value) ? mix(value, 1) : 0;
	length = PY_AT(uint64_t, name, py_layout.str_length);
	is_ascii = PY_AT(uint32_t, name, py_layout.str_state) >> py_layout.str_kind & PY_STR_ASCII;
	text = name + (is_ascii ? py_layout.str_ascii : py_layout.str_compact);
	return mix(mix(load(text), length), length > 8 ? load(text + length - 8) : (uintptr_t)name);
}

/* ---- asyncio ---- */

static const char *running_loop(struct py_who *w, const char *tstate)
{
	const char *dict, *holder;

	if (py_layout.ts_loop)
		return PY_AT(char *, tstate, py_layout.ts_loop);
	dict = PY_AT(char *, tstate, py_layout.ts_dict);
	if (!dict)
		return NULL;
	if (!who.loop_key)
		who.loop_key = py_dict_key(dict, "__asyncio_running_event_loop__");
	if (!who.loop_key)
		return NULL;
	holder = py_seen_dict_object(dict, who.loop_key, &w->dict);
	if (py_layout.minor == 12 || !holder)
		return holder;
	/* a loop that the child of a fork inherited does not run there, says Python */
	if (!who.pid)
		who.pid = (int32_t)os_pid();
	if (PY_AT(int32_t, holder, py_layout.object_type + 16) != who.pid)
		return NULL;
	return PY_AT(char *, holder, py_layout.object_type + 8);
}

/* Without the GIL the dict may be read as long as no other thread changes it. */
static bool may_look(const struct py_who *w, bool held)
{
	if (py_layout.ts_task)
		return true;
	return held || !who.looper || (who.looper == w && !who.many_loopers);
}

/* The dict is the module's, which may go: with the GIL it is looked up each time. */
static const char *current_tasks(const char *tstate, bool held)
{
	if (held && (who.current_tasks || who.look_for_tasks)) {
		who.current_tasks = py_module_variable(tstate, "_asyncio", "_current_tasks", &who.tasks_path);
		who.look_for_tasks = false;
	}
	return who.current_tasks;
}

static const char *running_task(struct py_who *w, const char *tstate, bool held)
{
	const char *loop, *tasks;

	if (py_layout.ts_task)
		return PY_AT(char *, tstate, py_layout.ts_task);
	if (py_layout.free_threaded)
		return NULL;
	loop = running_loop(w, tstate);
	if (!loop)
		return NULL;
	who.many_loopers |= who.looper && who.looper != w;
	who.looper = w;
	tasks = current_tasks(tstate, held);
	return tasks ? py_seen_dict_object(tasks, loop, &who.tasks_seen) : NULL;
}

static bool is_coroutine(const char *object)
{
	return py_is(object, py_symbols.coro_type) || py_is(object, py_symbols.gen_type);
}

/* Where tasks keep their coroutine; the task's class is known to be asyncio's. */
static void learn_task(const char *task)
{
	const char *type = PY_AT(char *, task, py_layout.object_type);
	int64_t size = PY_AT(int64_t, type, py_layout.type_size);
	uint64_t value;

	for (uint32_t at = py_layout.object_type + 8u; at + 16 <= size && size < TASK_BYTES_MAX; at += 8) {
		const char *name = PY_AT(char *, task, at + 8);

		if (!is_coroutine(PY_AT(char *, task, at)) ||
		    !(py_is(name, py_symbols.str_type) || py_int(name, &value)))
			continue;
		who.coroutine_at = at;
		return;
	}
}

/* Whether the type is that of asyncio's tasks in C, or derived from it. */
static bool is_task_type(const char *type)
{
	const char *base = type, *name;

	if (type == who.task_type || type == who.task_subtype)
		return true;
	for (int i = 0; i < TYPES_DEEP && py_readable(base) && py_readable(base + py_layout.type_base); i++) {
		name = PY_AT(char *, base, py_layout.type_name);
		if (!py_readable((const char *)((uintptr_t)name & ~(uintptr_t)7)))
			return false;
		if (base == who.task_type || !strcmp(name, "_asyncio.Task")) {
			who.task_type = base;
			who.task_subtype = type;
			return true;
		}
		base = PY_AT(char *, base, py_layout.type_base);
	}
	return false;
}

/* A task's coroutine and its name (a str, or an int). False: nothing is known of it. */
static bool take_apart(const char *task, const char **coroutine, struct runs *r)
{
	if ((uintptr_t)task & 7 || !py_readable(task))
		return false;
	if (!is_task_type(PY_AT(char *, task, py_layout.object_type))) {
		*coroutine = py_attribute(task, "_coro");
		r->name = py_attribute(task, "_name");
		return *coroutine;
	}
	if (!who.coroutine_at)
		learn_task(task);
	if (!who.coroutine_at)
		return false;
	*coroutine = PY_AT(char *, task, who.coroutine_at);
	r->name_at = &PY_AT(const char *, task, who.coroutine_at + 8);
	r->name = *r->name_at;
	return true;
}

/* ---- greenlet ---- */

static bool is_greenlet(const char *object)
{
	const char *type =
		py_readable(object) && py_readable(object + 8) ? PY_AT(char *, object, py_layout.object_type) : NULL;

	for (int i = 0; i < TYPES_DEEP && py_readable(type) && py_readable(type + py_layout.type_base); i++) {
		if (type == who.greenlet_type)
			return true;
		type = PY_AT(char *, type, py_layout.type_base);
	}
	return false;
}

/* Where the word of this thread may lie. */
struct search {
	const char *const *words;
	size_t n;
};

static int find_storage(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct search *s = arg;
	bool holds = false;

	if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof object->dlpi_tls_data)
		return 1;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];

		holds |= h->p_type == PT_LOAD &&
			 (uintptr_t)who.greenlet_type - (object->dlpi_addr + h->p_vaddr) < h->p_memsz;
		if (h->p_type == PT_TLS)
			s->n = h->p_memsz / sizeof *s->words;
	}
	s->words = object->dlpi_tls_data;
	return holds;
}

/* Greenlet's library makes its thread-local storage in a thread at its first use there, so the search may come too
 * early. It is repeated when the outermost frame is another one: greenlets have frames of their own. */
static void find_word(struct py_who *w)
{
	struct search s = { 0 };

	if (!dl_iterate_phdr(find_storage, &s) || !s.words)
		return;
	for (size_t i = 0; i < s.n; i++) {
		const char *state = s.words[i];

		if (!py_readable(state) || !py_readable(state + 8) || !is_greenlet(PY_AT(char *, state, 0)) ||
		    !is_greenlet(PY_AT(char *, state, 8)))
			continue;
		w->word = &s.words[i];
		w->state = state;
		return;
	}
}

static bool has_word(struct py_who *w, const char *tstate, const char *root, bool held)
{
	if (w->word && *w->word == w->state)
		return true;
	w->word = NULL;
	if (!who.greenlet_type && who.look_for_greenlets && held && !py_layout.free_threaded) {
		struct py_path path = { 0 };

		who.greenlet_type = py_module_variable(tstate, "greenlet._greenlet", "greenlet", &path);
		who.look_for_greenlets = false;
	}
	if (root == w->root || !who.greenlet_type)
		return false;
	w->root = root;
	if (++w->tries <= TRIES_AT_ONCE || !(w->tries & (w->tries - 1)))
		find_word(w);
	return w->word;
}

static const char *running_greenlet(struct py_who *w, const char *tstate, const char *root, bool held)
{
	const char *now;

	if (!has_word(w, tstate, root, held))
		return NULL;
	now = PY_AT(char *, w->state, 8);
	return now != PY_AT(char *, w->state, 0) ? now : NULL;
}

/* ---- switches ---- */

static struct piece name_piece(const char *name, char *buf, size_t cap)
{
	static const char prefix[] = "Task-";
	uint64_t value;
	size_t at = cap;

	if (!name)
		return (struct piece){ "", 0 };
	if (!py_int(name, &value))
		return py_text(name, buf, cap);
	do
		buf[--at] = (char)('0' + value % 10);
	while (value /= 10);
	at -= sizeof prefix - 1;
	memcpy(buf + at, prefix, sizeof prefix - 1);
	return (struct piece){ buf + at, cap - at };
}

/* What a coroutine runs: its qualified name. Cython's have name and qualified name side by side, somewhere. */
static const char *function_of(const char *coroutine)
{
	const char *type;
	int64_t size;

	if (is_coroutine(coroutine))
		return PY_AT(char *, coroutine, py_layout.gen_qualname);
	if (((uintptr_t)coroutine & 7) || !py_readable(coroutine) || !py_readable(coroutine + py_layout.object_type))
		return NULL;
	type = PY_AT(char *, coroutine, py_layout.object_type);
	size = py_readable(type) && py_readable(type + py_layout.type_size) ? PY_AT(int64_t, type, py_layout.type_size)
									    : 0;
	for (uint32_t at = py_layout.object_type + 8u; at + 16 <= size && size < TASK_BYTES_MAX; at += 8)
		if (py_is(PY_AT(char *, coroutine, at), py_symbols.str_type) &&
		    py_is(PY_AT(char *, coroutine, at + 8), py_symbols.str_type))
			return PY_AT(char *, coroutine, at + 8);
	return NULL;
}

static uint32_t define(struct thread *t, const struct runs *r)
{
	uint32_t id = atomic_fetch_add(&last_task, 1) + 1;
	char name[NAME_BYTES], function[NAME_BYTES];
	struct piece pieces[] = {
		{ &r->kind, 1 },
		name_piece(r->name, name, sizeof name),
		{ "", 1 },
		name_piece(r->function, function, sizeof function),
	};

	define_bytes(t, PT_OP_TASK, id, pieces, 4);
	return id;
}

static uint32_t id_of(struct thread *t, struct py_who *w, const struct runs *r, uint64_t sign)
{
	struct known *k = &w->known[mix((uintptr_t)r->object, 0) >> 54];

	_Static_assert(KNOWN == 1 << (64 - 54), "the hash is as wide as the table");
	if (k->object != r->object || k->sign != sign)
		*k = (struct known){ r->object, sign, define(t, r) };
	return k->id;
}

static bool task_runs(struct py_who *w, const char *tstate, bool held, struct runs *r)
{
	const char *coroutine = NULL;

	r->object = running_task(w, tstate, held);
	r->kind = PT_TASK_ASYNCIO;
	if (!r->object)
		return false;
	/* A task dies while it does not run, and that is seen: the same address is the same task. */
	if (r->object == w->object && w->name_at && *w->name_at == w->name) {
		r->sign = w->sign;
		return true;
	}
	if (!take_apart(r->object, &coroutine, r))
		return false;
	r->sign = mix(py_name_sign(r->name), (uintptr_t)coroutine);
	if (r->object != w->object || r->sign != w->sign)
		r->function = function_of(coroutine);
	if (is_coroutine(coroutine))
		r->frame = py_layout.minor <= 10 ? PY_AT(char *, coroutine, py_layout.gen_frame)
						 : coroutine + py_layout.gen_frame;
	return true;
}

static bool greenlet_runs(struct py_who *w, const struct py_thread *p, const char *tstate, bool held, struct runs *r)
{
	const char *code, *root = py_outermost(p, &code);

	r->object = running_greenlet(w, tstate, root, held);
	r->kind = PT_TASK_GREENLET;
	if (!r->object || !root)
		return false;
	r->name = NULL;
	r->sign = mix((uintptr_t)code, (uintptr_t)root);
	if (r->object != w->object || r->sign != w->sign) {
		r->name = py_attribute(r->object, "name");
		if (!py_is(r->name, py_symbols.str_type))
			r->name = NULL;
		r->function = PY_AT(char *, code, py_layout.code_name);
	}
	return true;
}

/*
 * Whether another task may run than at the last look. A task begins with a frame of its coroutine, entered from C, and
 * runs as long as that frame does. When it gives way or ends, something is allocated or freed outside of that frame (a
 * callback, the coroutine): so as long as the frame was in the stack at every event, it is the same one, and if no
 * coroutine that C code entered is new, there is nothing to look for. (The coroutines of Cython have no frames: they
 * are seen at the next look.) A greenlet has an outermost frame of its own. In the child of a fork asyncio takes the
 * task away from under its frame, so there the first looks are not left out.
 */
static bool may_be_another(struct py_who *w, const struct py_thread *p)
{
	bool was_task = w->object && !w->is_greenlet;

	if (w->doubts) {
		w->doubts--;
		return true;
	}
	if (was_task && w->index == NOWHERE)
		w->index = py_index_of(p, w->frame);
	if (was_task && w->name_at && *w->name_at != w->name)
		return true;
	if ((py_state.who & WHO_GREENLET) && !p->kept)
		return true;
	return (py_state.who & WHO_ASYNCIO) &&
	       (py_layout.ts_task || (was_task && w->index >= p->kept) || py_entered_coroutine(p, p->kept));
}

static void look_at_task(struct thread *t, struct py_who *w, const struct py_thread *p, const char *tstate, bool held)
{
	struct runs r = { 0 };
	uint32_t id = 0;

	if (!may_be_another(w, p) || !may_look(w, held))
		return;
	if (!((py_state.who & WHO_ASYNCIO) && task_runs(w, tstate, held, &r)) &&
	    !((py_state.who & WHO_GREENLET) && greenlet_runs(w, p, tstate, held, &r)))
		r = (struct runs){ 0 };
	if (r.object == w->object && r.sign == w->sign)
		return;
	if (r.object)
		id = id_of(t, w, &r, mix(r.sign, r.kind == PT_TASK_GREENLET ? py_name_sign(r.name) : 0));
	w->object = r.object;
	w->sign = r.sign;
	w->is_greenlet = r.kind == PT_TASK_GREENLET;
	w->frame = r.frame;
	w->index = py_index_of(p, r.frame);
	w->name_at = r.name_at;
	w->name = r.name;
	if (id == w->task || !emit_room(t))
		return;
	emit_slot(t, id | (uint64_t)PT_OP_SWITCH << 48, 0, 0);
	w->task = id;
}

/* ---- all of it ---- */

static struct py_who *who_of(struct py_thread *p)
{
	if (!p->who)
		p->who = arena_map(sizeof *p->who);
	if (p->who && p->who->epoch != py_state.epoch) {
		memset(p->who, 0, sizeof *p->who);
		p->who->epoch = py_state.epoch;
		p->who->doubts = DOUBTS;
	}
	return p->who;
}

void py_who_look(struct thread *t, struct py_thread *p, const char *tstate, bool held)
{
	struct py_who *w = who_of(p);

	if (py_finalizing()) {
		py_state.who = 0; /* another interpreter may come, with other dicts and types */
		memset(&who, 0, sizeof who);
		py_name_forget();
	}
	if (!w || !py_state.who)
		return;
	if (py_state.who & (WHO_ASYNCIO | WHO_GREENLET))
		look_at_task(t, w, p, tstate, held);
	if (held && (py_state.who & WHO_THREADING))
		py_name_look(t, &w->name_of_thread, p, tstate);
}

void py_who_end(struct py_thread *p)
{
	if (p->who)
		arena_unmap(p->who, sizeof *p->who);
}

void py_who_after_fork(void)
{
	atomic_store(&last_task, 0);
	who.looper = NULL; /* its memory is another process's */
	who.many_loopers = false;
	who.pid = 0;
}
