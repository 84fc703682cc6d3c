/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/py/stack/thread_name.h"

#include <pthread.h>
#include <string.h>

#include "formats/event.h"
#include "preload/py/peek.h"
#include "preload/py/stack/who.h"
#include "preload/record/thread.h"

enum { CODES = 8, LOOKS_AT_ONCE = 64, NAME_BYTES = 500 };
#define NAME_EVERY_NS UINT64_C(20000000)

/* Code objects of one function: each interpreter has its own. */
struct codes {
	const char *at[CODES];
	unsigned n;
};

static struct codes bootstrap; /* threading.Thread._bootstrap, the outermost frame of a thread */
static struct codes outer;     /* what is on top when one begins or ends: its _bootstrap_inner and _delete */
static struct py_path active;  /* threading._active */

static void remember(struct codes *codes, const char *code) { codes->at[codes->n++ % CODES] = code; }

static bool is_among(const struct codes *codes, const char *code)
{
	for (unsigned i = 0; code && i < CODES; i++)
		if (codes->at[i] == code)
			return true;
	return false;
}

void py_name_code(const char *code, const struct piece *name)
{
	if (py_ends_with(name, "_bootstrap")) {
		py_state.who |= WHO_THREADING;
		remember(&bootstrap, code);
	} else if (py_ends_with(name, "_bootstrap_inner") || py_ends_with(name, "_delete")) {
		remember(&outer, code);
	}
}

/* While a thread begins or ends it may still have the entry of another one, whose ident it got: a thread that threading
 * did not start is looked up there only when it has had a frame of its own. */
static const char *own_object(struct py_name *n, const struct py_thread *p, const char *tstate)
{
	const char *code, *root = py_outermost(p, &code), *name;

	if (root && is_among(&bootstrap, code)) {
		name = PY_AT(char *, code, py_layout.code_name);
		n->is_started = true;
		if (py_text_is(name, "_bootstrap") || py_text_is(name, "Thread._bootstrap"))
			return (const char *)(PY_AT(uintptr_t, root, py_layout.frame_locals) & ~(uintptr_t)7);
	}
	n->is_foreign |= root != NULL;
	if (!n->is_foreign || n->is_started || py_layout.free_threaded)
		return NULL;
	return py_dict_int(py_module_variable(tstate, "threading", "_active", &active), (uint64_t)pthread_self());
}

static bool is_time(const struct thread *t, const struct py_name *n, const struct py_thread *p)
{
	if (!t->named)
		return n->n_looks < LOOKS_AT_ONCE || t->clock_ns != n->looked_ns;
	return t->clock_ns - n->looked_ns > NAME_EVERY_NS ||
	       (p->depth <= WHO_SHALLOW && is_among(&outer, py_innermost_code(p)));
}

void py_name_look(struct thread *t, struct py_name *n, const struct py_thread *p, const char *tstate)
{
	char buf[NAME_BYTES];
	struct piece piece;
	const char *name;
	uint64_t sign;

	if (!is_time(t, n, p))
		return;
	n->n_looks++;
	n->looked_ns = t->clock_ns;
	name = py_attribute(own_object(n, p, tstate), "_name");
	if (!py_is(name, py_symbols.str_type))
		return;
	sign = py_name_sign(name) ^ (uintptr_t)name;
	if (sign == n->sign)
		return;
	n->sign = sign;
	piece = py_text(name, buf, sizeof buf);
	define_bytes(t, PT_OP_THREAD_NAME, t->number, &piece, 1);
	t->named = true;
}

void py_name_forget(void)
{
	memset(&bootstrap, 0, sizeof bootstrap);
	memset(&outer, 0, sizeof outer);
	memset(&active, 0, sizeof active);
}
