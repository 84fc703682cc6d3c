/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/json.h"
#include "analyzer/out/format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A value that could not be made leaves the document incomplete: remembered here, as jansson has no place for it.
 * One process writes one document. */
static bool out_of_memory;

/* U+FFFD takes three bytes for one that is no UTF-8; a control character four. */
json_t *json_text(const char *text)
{
	json_t *value;
	char *safe;

	if (!text)
		return json_null();
	value = json_string(text);
	if (value)
		return value;
	safe = malloc(4 * strlen(text) + 1);
	if (!safe)
		return NULL;
	value = json_string(format_printable(safe, 4 * strlen(text) + 1, text));
	free(safe);
	return value;
}

json_t *json_bytes(uint64_t n) { return json_integer((json_int_t)n); }

json_t *json_seconds(uint64_t ns) { return json_real((double)ns / 1e9); }

json_t *json_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *json_document(const char *command)
{
	char schema[64];
	json_t *document = json_object();

	snprintf(schema, sizeof schema, "pytrace.%s/1", command);
	json_put(document, "schema", json_text(schema));
	return document;
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		out_of_memory = true;
}

void json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		out_of_memory = true;
}

/* jansson writes a few bytes at a time: a FILE takes as long for each as for a line. */
struct pending {
	FILE *f;
	size_t n;
	char text[32 << 10];
};

static bool flush(struct pending *p)
{
	size_t n = p->n;

	p->n = 0;
	return fwrite(p->text, 1, n, p->f) == n;
}

static int put(const char *text, size_t bytes, void *pending)
{
	struct pending *p = pending;

	if (bytes > sizeof p->text - p->n && !flush(p))
		return -1;
	if (bytes > sizeof p->text)
		return fwrite(text, 1, bytes, p->f) == bytes ? 0 : -1;
	memcpy(p->text + p->n, text, bytes);
	p->n += bytes;
	return 0;
}

bool json_write(json_t *document, FILE *f)
{
	struct pending p;
	bool good;

	p.f = f;
	p.n = 0;
	good = !out_of_memory && !json_dump_callback(document, put, &p, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) &&
	       !put("\n", 1, &p) && flush(&p);
	json_decref(document);
	return good;
}
