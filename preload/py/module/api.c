/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/py/module/api.h"
#include "preload/py/peek.h"

#include <string.h>

struct api api;

static const struct {
	const char *name;
	uint16_t field;
} wanted[] = {
#define X(name, type, arguments) { #name, offsetof(struct api, name) },
	API_FUNCTIONS(X)
#undef X
		{ "_Py_NoneStruct", offsetof(struct api, none) },
	{ "PyExc_TypeError", offsetof(struct api, type_error) },
};

bool api_start(void)
{
	for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		void *p = py_symbol(wanted[i].name);

		if (!p)
			return false;
		memcpy((char *)&api + wanted[i].field, &p, sizeof p);
	}
	return true;
}

/* ---- arguments ---- */

static int place_of(const struct api_arguments *a, void *keyword)
{
	for (int i = 0; i < a->n; i++)
		if (!api.PyUnicode_CompareWithASCIIString(keyword, a->names[i]))
			return i;
	return -1;
}

static bool take_keyword(const struct api_arguments *a, void *keyword, void *value, void *values[])
{
	int i = place_of(a, keyword);

	if (i >= 0 && !values[i]) {
		values[i] = value;
		return true;
	}
	if (i < 0)
		api.PyErr_Format(*api.type_error, "%s() got an unexpected keyword argument '%U'", a->function, keyword);
	else
		api.PyErr_Format(*api.type_error, "%s() got multiple values for argument '%s'", a->function,
				 a->names[i]);
	return false;
}

bool api_arguments(const struct api_arguments *a, void *const *given, intptr_t n_given, void *keywords, void *values[])
{
	intptr_t n_keywords = keywords ? api.PyTuple_Size(keywords) : 0;

	if (n_given > a->n) {
		api.PyErr_Format(*api.type_error, "%s() takes at most %d argument%s (%zd given)", a->function, a->n,
				 a->n == 1 ? "" : "s", n_given);
		return false;
	}
	for (int i = 0; i < a->n; i++)
		values[i] = i < n_given ? given[i] : NULL;
	for (intptr_t i = 0; i < n_keywords; i++)
		if (!take_keyword(a, api.PyTuple_GetItem(keywords, i), given[n_given + i], values))
			return false;
	for (int i = 0; i < a->required; i++)
		if (!values[i]) {
			api.PyErr_Format(*api.type_error, "%s() missing required argument '%s' (pos %d)", a->function,
					 a->names[i], i + 1);
			return false;
		}
	return true;
}

/* Read in place where that is known to be safe: the interpreter would keep the UTF-8 of what is not ASCII with the
 * object. A text that has none (lone surrogates) is a question mark then. */
static struct piece whole_text_of(void *str, char *buf)
{
	intptr_t bytes;
	const char *text;

	if (py_layout.minor && py_is(str, py_symbols.str_type))
		return py_text(str, buf, API_LABEL_BYTES);
	text = api.PyUnicode_AsUTF8AndSize(str, &bytes);
	if (!text) {
		api.PyErr_Clear();
		return (struct piece){ "?", 1 };
	}
	return (struct piece){ text, (size_t)bytes };
}

/* Not cut within a character. */
static struct piece text_of(void *str, char *buf)
{
	struct piece p = whole_text_of(str, buf);
	const char *text = p.data;

	if (p.bytes > LABEL_BYTES)
		for (p.bytes = LABEL_BYTES; p.bytes && (text[p.bytes] & 0xc0) == 0x80;)
			p.bytes--;
	return p;
}

bool api_label(const char *function, void *object, bool optional, char *buf, struct piece *ret)
{
	*ret = (struct piece){ NULL, 0 };
	if (optional && (!object || object == api.none))
		return true;
	if (!api_is_str(object)) {
		api.PyErr_Format(*api.type_error, "%s() argument 'label' must be str%s, not %.200s", function,
				 optional ? " or None" : "", api_type_name(object));
		return false;
	}
	*ret = text_of(object, buf);
	return true;
}
