/* SPDX-License-Identifier: Apache-2.0 */
/* extension: the tables of an extension module, with the layouts of CPython's headers; the functions do nothing */
#include <stddef.h>

#define USED __attribute__((used, noinline))

struct method {
	const char *name;
	void *(*function)(void *, void *);
	int flags;
	const char *doc;
};
struct property {
	const char *name;
	void *(*get)(void *, void *);
	int (*set)(void *, void *, void *);
	const char *doc;
	void *closure;
};
struct slot {
	int slot;
	void *value;
};
struct type {
	size_t refcount;
	void *type;
	size_t size;
	const char *name;
	size_t basicsize, itemsize;
	void (*dealloc)(void *);
	size_t vectorcall_offset;
	void *more[32];
};

static int sink;

static USED void *add_thing(void *self, void *args) { return sink++, self ? self : args; }
static USED void *drop_thing(void *self, void *args) { return sink--, self ? self : args; }
static USED void *get_size(void *self, void *closure) { return sink += 2, self ? self : closure; }
static USED int set_size(void *self, void *value, void *closure) { return sink += 3, self || value || closure; }
static USED void *get_kind(void *self, void *closure) { return sink += 4, self ? self : closure; }
static USED void box_dealloc(void *self) { sink -= self != NULL; }
static USED void *box_new(void *type, void *args, void *kwds) { return sink += 5, type ? args : kwds; }
static USED int fill_module(void *module) { return sink += 6, module == NULL; }
static USED void *no_method(void *self, void *args) { return sink += 7, self ? self : args; }

struct method methods[] = {
	{ "add", add_thing, 1, "add(thing)" },
	{ "drop", drop_thing, 0x82, NULL },
	{ 0 },
};
struct property properties[] = {
	{ "size", get_size, set_size, NULL, NULL },
	{ "kind", get_kind, NULL, "what it is", NULL },
	{ 0 },
};
/* Looks like a method but for its flags, and for its name. */
struct method others[] = { { "other", no_method, 0x1000, NULL }, { "two words", no_method, 1, NULL } };
struct slot slots[] = { { 2, fill_module }, { 3, (void *)1 }, { 0 } };
struct type box = {
	.refcount = 1, .name = "extension.Box", .basicsize = 32, .dealloc = box_dealloc, .more = { [31] = box_new }
};

void *PyInit_extension(void) { return slots; }
