/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peek: Python objects read without a call of Python: texts, ints, dicts, attributes of instances
 *
 * What:  what a debugger would do. No reference is taken, nothing is hashed, compared by Python, or made.
 * When:  with the GIL, so that no object is half changed: CPython allocates and frees only while its dicts are whole.
 *        What is read must be alive then; everything returned is borrowed and good until the hook returns.
 * Trust: a pointer is not followed before the kernel said once that it leads somewhere and the type there is right, so
 *        an object of another layout costs a name and not the program.
 * Cost:  look-ups by text compare with every key: tens of nanoseconds in an instance, microseconds in sys.modules.
 * Who:   preload/py only.
 */
#pragma once
#include "preload/record/intern.h"
#include "preload/py/parts.h"

/* Whether an object can be read here, and is exactly of this type. */
bool py_is(const char *object, const void *type);

/* A str's text as UTF-8, at most `cap` bytes, cut between characters; "?" when it is no str. ASCII needs no copy: the
 * piece is then the text itself. `buf` holds `cap` bytes. */
struct piece py_text(const char *str, char *buf, size_t cap);
/* Whether it is a str of exactly this ASCII text. */
bool py_text_is(const char *str, const char *text);

/* The value of an int that is neither negative nor beyond 60 bits. */
bool py_int(const char *object, uint64_t *ret);

/* The value of a key, NULL when it isn't there, or `dict` is none: by the key's text, by an int. */
const char *py_dict_text(const char *dict, const char *key);
const char *py_dict_int(const char *dict, uint64_t key);
/* The same by the key's address, of a dict found in a live object: tested once, when it is not the one that was *seen.
 */
const char *py_seen_dict_object(const char *dict, const void *key, const char **seen);

/* The key itself; NULL. */
const char *py_dict_key(const char *dict, const char *text);

/* What instance.__dict__[name] is, also where the instance has no dict yet; NULL: nothing. */
const char *py_attribute(const char *instance, const char *name);

/* Where a key was last: makes the next look-up a few loads, as long as it is there. Zero bytes are the first state. */
struct py_hint {
	const char *key;
	uint64_t index;
};
struct py_path {
	struct py_hint module, variable;
	const char
		*seen[3]; /* dict of modules, module, its dict: tested once, for what is found in a live object lives */
};

/* A module's variable, by the names of both; NULL when there is none. */
const char *py_module_variable(const char *tstate, const char *module, const char *variable, struct py_path *path);
