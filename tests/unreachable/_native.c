/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks that are lost, and blocks that look like it: each function makes its own. What a function does with `n` blocks
 * is in its name; program.py calls them, test_unreachable.py knows what must be said of each.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BYTES = 200, NODES = 10, MAX = 1000 };

/* A block; nothing is optimised away, for the compiler believes that it is seen elsewhere. A macro, so that the
 * caller's line is the one that asks. */
#define take(bytes)                                 \
	({                                          \
		void *block = calloc(1, bytes);     \
                                                    \
		__asm__ volatile("" : "+r"(block)); \
		block;                              \
	})

struct node {
	struct node *next, *back;
	char rest[BYTES];
};

/* ---- lost ---- */

#define METHOD static __attribute__((noinline)) void

METHOD lost_each_call(int n)
{
	for (int i = 0; i < n; i++)
		((char *)take(BYTES))[0] = 1;
}

/* n lists of NODES blocks, dropped at their heads. */
METHOD lost_lists(int n)
{
	for (int i = 0; i < n; i++) {
		struct node *head = NULL;

		for (int k = 0; k < NODES; k++) {
			struct node *x = take(sizeof *x);

			x->next = head;
			head = x;
		}
	}
}

/* n rings of NODES blocks, linked both ways. */
METHOD lost_rings(int n)
{
	for (int i = 0; i < n; i++) {
		struct node *first = take(sizeof *first), *last = first;

		for (int k = 1; k < NODES; k++) {
			struct node *x = take(sizeof *x);

			last->next = x;
			x->back = last;
			last = x;
		}
		last->next = first;
		first->back = last;
	}
}

/* What points to them was freed, and still has the pointer in it. */
METHOD lost_with_freed(int n)
{
	struct node **holders = calloc((size_t)n, sizeof *holders);

	for (int i = 0; i < n; i++) {
		holders[i] = take(sizeof **holders);
		memset(holders[i]->rest, 0, BYTES);
		*(void **)(holders[i]->rest + 64) = take(BYTES);
	}
	for (int i = 0; i < n; i++)
		free(holders[i]);
	memset(holders, 0, (size_t)n * sizeof *holders);
	free(holders);
}

/* A struct of Python's allocator, which has a block of the C library's. */
METHOD lost_structs(int n)
{
	for (int i = 0; i < n; i++) {
		void **s = PyMem_Calloc(1, 100);

		s[1] = take(BYTES);
		__asm__ volatile("" : : "r"(s) : "memory");
	}
}

METHOD lost_when_grown(void *block)
{
	block = realloc(block, 4 * BYTES);
	memset((char *)block + BYTES, 0, 3 * BYTES);
	__asm__ volatile("" : : "r"(block) : "memory");
}

/* One function makes them, another one makes two of three larger: one leak. */
METHOD lost_or_grown(int n)
{
	for (int i = 0; i < n; i++) {
		void *block = take(BYTES);

		if (i % 3)
			lost_when_grown(block);
	}
}

METHOD lost_raw(int n)
{
	for (int i = 0; i < n; i++) {
		void *block = PyMem_RawCalloc(1, BYTES);

		__asm__ volatile("" : : "r"(block) : "memory");
	}
}

METHOD lost_large(int n)
{
	for (int i = 0; i < n; i++)
		((char *)take(300000))[0] = 1;
}

/* ---- held ---- */

/* Not static: nobody reads them, and the compiler would see it. */
void *table[MAX], *inside[MAX], *hidden[MAX], **large, **mapped;
__thread void *local[MAX];
uintptr_t tagged[MAX];

METHOD held_by_data(int n)
{
	for (int i = 0; i < n; i++)
		table[i] = take(BYTES);
}

METHOD held_inside(int n)
{
	for (int i = 0; i < n; i++)
		inside[i] = (char *)take(BYTES) + BYTES - 1;
}

METHOD held_tagged_low(int n)
{
	for (int i = 0; i < n; i++)
		tagged[i] = (uintptr_t)take(BYTES) | 3;
}

METHOD held_by_thread_local(int n)
{
	for (int i = 0; i < n; i++)
		local[i] = take(BYTES);
}

METHOD held_by_large_block(int n)
{
	large = take(1 << 20);
	for (int i = 0; i < n; i++)
		large[(i * 997) % (1 << 17)] = take(BYTES);
}

METHOD held_by_mapping(int n)
{
	mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < n; i++)
		mapped[(i * 997) % (1 << 17)] = take(BYTES);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stands;

/* On the stack of a thread that waits for ever. */
static __attribute__((noinline)) void *held_by_stack(void *arg)
{
	int n = (int)(intptr_t)arg;
	void *volatile blocks[MAX];

	for (int i = 0; i < n; i++)
		blocks[i] = take(BYTES);
	pthread_mutex_lock(&mutex);
	stands = 1;
	pthread_cond_broadcast(&changed);
	while (stands)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return blocks[0];
}

METHOD start_thread(int n)
{
	pthread_t thread;

	pthread_create(&thread, NULL, held_by_stack, (void *)(intptr_t)n);
	pthread_mutex_lock(&mutex);
	while (!stands)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

/* Hidden, and given back later by free_hidden(). */
METHOD held_hidden(int n)
{
	for (int i = 0; i < n; i++)
		hidden[i] = (void *)((uintptr_t)take(BYTES) ^ UINT64_C(0x5555555555555555));
}

METHOD free_hidden(int n)
{
	for (int i = 0; i < n; i++)
		free((void *)((uintptr_t)hidden[i] ^ UINT64_C(0x5555555555555555)));
}

/* Writes over the sizes of n blocks, which are never given back. Of those only: with the size of a free block gone, the
 * next allocation may crash. */
METHOD damage(int n)
{
	static const unsigned char values[] = { 0, 0xff, 0x41, 0x10, 0x81 };

	for (int i = 0; i < n;) {
		char *block = take(104), *other = take(104);

		if (other != block + 112)
			continue;
		memset(block + 104, values[i % 5], 8);
		table[i++] = other;
	}
}

/* ---- Python's own ---- */

static void release(PyObject *capsule) { free(PyCapsule_GetPointer(capsule, "block")); }

/* A capsule with a block. */
static PyObject *held_by_capsule(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return PyCapsule_New(take(BYTES), "block", release);
}

/* The address of a block, as ctypes hands it out. */
static PyObject *held_by_int(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return PyLong_FromVoidPtr(take(BYTES));
}

/* Overwrites what calls left on the stack. */
static __attribute__((noinline)) void wipe(int depth)
{
	volatile char waste[4096];

	memset((char *)waste, 0, sizeof waste);
	if (depth)
		wipe(depth - 1);
	waste[0] = 1;
}

static const struct {
	const char *name;
	void (*f)(int n);
} functions[] = {
	{ "lost_each_call", lost_each_call },
	{ "lost_lists", lost_lists },
	{ "lost_rings", lost_rings },
	{ "lost_with_freed", lost_with_freed },
	{ "lost_structs", lost_structs },
	{ "lost_raw", lost_raw },
	{ "lost_or_grown", lost_or_grown },
	{ "lost_large", lost_large },
	{ "held_by_data", held_by_data },
	{ "held_inside", held_inside },
	{ "held_tagged_low", held_tagged_low },
	{ "held_by_thread_local", held_by_thread_local },
	{ "held_by_large_block", held_by_large_block },
	{ "held_by_mapping", held_by_mapping },
	{ "start_thread", start_thread },
	{ "held_hidden", held_hidden },
	{ "free_hidden", free_hidden },
	{ "damage", damage },
};

static PyObject *call(PyObject *self, PyObject *args)
{
	const char *name;
	int n;

	(void)self;
	if (!PyArg_ParseTuple(args, "si", &name, &n))
		return NULL;
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (!strcmp(functions[i].name, name)) {
			functions[i].f(n);
			wipe(8);
			Py_RETURN_NONE;
		}
	return PyErr_Format(PyExc_KeyError, "%s", name);
}

static PyMethodDef methods[] = {
	{ "call", call, METH_VARARGS, NULL },
	{ "held_by_capsule", held_by_capsule, METH_NOARGS, NULL },
	{ "held_by_int", held_by_int, METH_NOARGS, NULL },
	{ NULL },
};
static PyModuleDef module = { PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods };
PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
