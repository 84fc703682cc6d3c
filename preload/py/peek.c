/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/py/peek.h"
#include "preload/py/keys.h"

#include <string.h>

enum { KEYS_MAX = 1 << 24 };

static bool readable(const char *p) { return py_readable((const char *)((uintptr_t)p & ~(uintptr_t)7)); }

static const char *type_of(const char *object)
{
	return readable(object) && readable(object + py_layout.object_type)
		       ? PY_AT(char *, object, py_layout.object_type)
		       : NULL;
}

bool py_is(const char *object, const void *type) { return type && type_of(object) == type; }

static uint64_t flags_of(const char *type)
{
	return readable(type + py_layout.type_flags) ? PY_AT(uint64_t, type, py_layout.type_flags) : 0;
}

/* ---- texts and ints ---- */

static size_t put_char(char *to, uint32_t c)
{
	if (c >= 0xd800 && c < 0xe000)
		c = 0xfffd; /* a lone surrogate: an undecodable byte of a file name */
	if (c < 0x80)
		return to[0] = (char)c, 1;
	if (c < 0x800)
		return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
	if (c < 0x10000)
		return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)),
		       to[2] = (char)(0x80 | (c & 63)), 3;
	return to[0] = (char)(0xf0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 63)),
	       to[2] = (char)(0x80 | (c >> 6 & 63)), to[3] = (char)(0x80 | (c & 63)), 4;
}

static uint32_t char_at(const char *data, unsigned kind, size_t i)
{
	if (kind == 1)
		return ((const uint8_t *)data)[i];
	return kind == 2 ? ((const uint16_t *)data)[i] : ((const uint32_t *)data)[i];
}

struct piece py_text(const char *str, char *buf, size_t cap)
{
	size_t length = PY_AT(size_t, str, py_layout.str_length), n = 0;
	uint32_t state = PY_AT(uint32_t, str, py_layout.str_state) >> py_layout.str_kind;
	const char *data = str + (state & PY_STR_ASCII ? py_layout.str_ascii : py_layout.str_compact);

	if (PY_AT(void *, str, py_layout.object_type) != py_symbols.str_type || !(state & PY_STR_COMPACT))
		return (struct piece){ "?", 1 };
	if (state & PY_STR_ASCII)
		return (struct piece){ data, length < cap ? length : cap };
	for (size_t i = 0; i < length && n + 4 <= cap; i++)
		n += put_char(buf + n, char_at(data, state & PY_STR_KIND_MASK, i));
	return (struct piece){ buf, n };
}

bool py_text_is(const char *str, const char *text)
{
	size_t length = strlen(text);

	return py_is(str, py_symbols.str_type) && PY_AT(size_t, str, py_layout.str_length) == length &&
	       (PY_AT(uint32_t, str, py_layout.str_state) >> py_layout.str_kind & (PY_STR_COMPACT | PY_STR_ASCII)) ==
		       (PY_STR_COMPACT | PY_STR_ASCII) &&
	       !memcmp(str + py_layout.str_ascii, text, length);
}

/* Digits of 30 bits. Behind the object's head: a count with the sign (up to 3.11); since then the count above three
 * bits of which the lower two tell zero and negative. */
bool py_int(const char *object, uint64_t *ret)
{
	uint64_t size;

	if (!py_is(object, py_symbols.int_type))
		return false;
	size = PY_AT(uint64_t, object, py_layout.var_size);
	if (py_layout.minor >= 12 && (size & 3) == 2)
		return false;
	if (py_layout.minor >= 12)
		size = (size & 3) == 1 ? 0 : size >> 3;
	if (size > 2)
		return false;
	*ret = size > 0 ? PY_AT(uint32_t, object, py_layout.int_digits) : 0;
	if (size > 1)
		*ret |= (uint64_t)PY_AT(uint32_t, object, py_layout.int_digits + 4) << 30;
	return true;
}

/* ---- dicts ---- */

/* Entries i: key at `entries` + i * stride; its value behind it, or apart in `values`. */
struct view {
	const char *entries, *values;
	uint64_t n;
	uint32_t stride;
};

static inline bool view_known_keys(struct view *v, const char *keys, const char *values)
{
	struct py_keys k;

	py_keys_read(&k, keys);
	*v = (struct view){ .entries = k.entries, .values = values, .n = k.n, .stride = k.stride };
	if (values && py_layout.minor >= 13)
		v->values = values + 8;
	return k.size <= KEYS_MAX && k.index_bytes <= KEYS_MAX * UINT64_C(8) && k.n <= k.size;
}

static bool view_keys(struct view *v, const char *keys, const char *values)
{
	return py_readable(keys) && py_readable(keys + 32) && view_known_keys(v, keys, values);
}

static bool view_dict(struct view *v, const char *dict)
{
	if (!dict || ((uintptr_t)dict & 7) || !(flags_of(type_of(dict)) & FLAG_DICT))
		return false;
	return view_keys(v, PY_AT(char *, dict, py_layout.dict_keys), PY_AT(char *, dict, py_layout.dict_values));
}

static const char *key_at(const struct view *v, uint64_t i) { return PY_AT(char *, v->entries, i * v->stride); }

static const char *value_at(const struct view *v, uint64_t i)
{
	return v->values ? PY_AT(char *, v->values, i * 8) : PY_AT(char *, v->entries, i * v->stride + 8);
}

static const char *find_text(const struct view *v, const char *key)
{
	for (uint64_t i = 0; i < v->n; i++)
		if (key_at(v, i) && py_text_is(key_at(v, i), key))
			return value_at(v, i);
	return NULL;
}

const char *py_dict_text(const char *dict, const char *key)
{
	struct view v;

	return view_dict(&v, dict) ? find_text(&v, key) : NULL;
}

const char *py_dict_key(const char *dict, const char *text)
{
	struct view v;

	if (!view_dict(&v, dict))
		return NULL;
	for (uint64_t i = 0; i < v.n; i++)
		if (key_at(&v, i) && value_at(&v, i) && py_text_is(key_at(&v, i), text))
			return key_at(&v, i);
	return NULL;
}

/* The newest first: that is the one of a dict whose keys come and go. */
static inline const char *find_object(const struct view *v, const void *key)
{
	for (uint64_t i = v->n; i-- > 0;)
		if (key_at(v, i) == key && value_at(v, i))
			return value_at(v, i);
	return NULL;
}

static inline bool view_seen_dict(struct view *v, const char *dict, const char **seen)
{
	if (dict == *seen && dict)
		return view_known_keys(v, PY_AT(char *, dict, py_layout.dict_keys),
				       PY_AT(char *, dict, py_layout.dict_values));
	if (!view_dict(v, dict))
		return false;
	*seen = dict;
	return true;
}

const char *py_seen_dict_object(const char *dict, const void *key, const char **seen)
{
	struct view v;

	return view_seen_dict(&v, dict, seen) ? find_object(&v, key) : NULL;
}

/* The hash of such an int is its value, up to 2^61 - 2. */
const char *py_dict_int(const char *dict, uint64_t key)
{
	uint64_t value;
	struct view v;

	if (!view_dict(&v, dict) || v.stride != ENTRY_WITH_HASH)
		return NULL;
	for (uint64_t i = 0; i < v.n; i++)
		if (PY_AT(uint64_t, v.entries, i * v.stride - 8) == key && key_at(&v, i) && value_at(&v, i) &&
		    py_int(key_at(&v, i), &value) && value == key)
			return value_at(&v, i);
	return NULL;
}

/* ---- instances ---- */

static const char *in_values(const char *type, const char *values, const char *name)
{
	struct view v;

	return view_keys(&v, PY_AT(char *, type, py_layout.type_keys), values) ? find_text(&v, name) : NULL;
}

/* The dict of an instance whose type has it at a fixed place. */
static const char *dict_at_offset(const char *instance, const char *type)
{
	int64_t offset = PY_AT(int64_t, type, py_layout.type_dict_at);

	return offset > 0 && offset < 1 << 20 ? PY_AT(char *, instance, offset) : NULL;
}

/* In front of the object: 3.11 has a pointer to values and one to a dict, 3.12 one that is either, the
 * former less one. Since 3.13 values lie behind the object, and hold until there is a dict. */
static const char *managed_attribute(const char *instance, const char *type, const char *name)
{
	int at = py_info()->free_threaded ? -8 : -24; /* no collector's head there */
	const char *dict = PY_AT(char *, instance, at), *values = NULL;

	if (py_layout.minor == 11)
		values = PY_AT(char *, instance, at - 8);
	else if (py_layout.minor == 12 && ((uintptr_t)dict & 1))
		values = dict + 1;
	else if (py_layout.minor >= 13 && !dict && (flags_of(type) & FLAG_INLINE_VALUES))
		values = instance + PY_AT(int64_t, type, py_layout.type_size);
	if (values && py_layout.minor >= 13 && !PY_AT(uint8_t, values, 3))
		return NULL;
	return values ? in_values(type, values, name) : py_dict_text(dict, name);
}

const char *py_attribute(const char *instance, const char *name)
{
	const char *type = instance ? type_of(instance) : NULL;

	if (!type || !readable(type) || !readable(type + py_layout.type_keys))
		return NULL;
	if (py_layout.minor >= 11 && (flags_of(type) & FLAG_MANAGED_DICT))
		return managed_attribute(instance, type, name);
	return py_dict_text(dict_at_offset(instance, type), name);
}

static const char *find_hinted(const struct view *v, const char *text, struct py_hint *hint)
{
	if (hint->key && hint->index < v->n && key_at(v, hint->index) == hint->key)
		return value_at(v, hint->index);
	for (uint64_t i = 0; i < v->n; i++) {
		if (!key_at(v, i) || !value_at(v, i) || !py_text_is(key_at(v, i), text))
			continue;
		*hint = (struct py_hint){ key_at(v, i), i };
		return value_at(v, i);
	}
	return NULL;
}

const char *py_module_variable(const char *tstate, const char *module, const char *variable, struct py_path *path)
{
	const char *interp = PY_AT(char *, tstate, py_layout.ts_interp), *found;
	struct view v;

	if (!view_seen_dict(&v, PY_AT(char *, interp, py_layout.interp_modules), &path->seen[0]))
		return NULL;
	found = find_hinted(&v, module, &path->module);
	if (!found || (found != path->seen[1] && !readable(found)))
		return NULL;
	path->seen[1] = found;
	/* a module's dict lies directly behind its head */
	if (!view_seen_dict(&v, PY_AT(char *, found, py_layout.object_type + 8), &path->seen[2]))
		return NULL;
	return find_hinted(&v, variable, &path->variable);
}
