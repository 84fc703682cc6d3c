/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/gate/baseline.h"
#include "analyzer/out/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA "pytrace.baseline/1"

/* Where a fingerprint is, or belongs. */
static size_t place_of(const struct baseline *b, const char *fingerprint)
{
	size_t lo = 0, hi = b->at.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(b->at.at[mid].fingerprint, fingerprint) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct known *baseline_find(const struct baseline *b, const char *fingerprint)
{
	size_t i = place_of(b, fingerprint);

	return i < b->at.n && !strcmp(b->at.at[i].fingerprint, fingerprint) ? &b->at.at[i] : NULL;
}

const struct known *baseline_rows(const struct baseline *b, const char *fingerprint, size_t len, size_t *ret_n)
{
	size_t from = 0, to;

	while (from < b->at.n && strncmp(b->at.at[from].fingerprint, fingerprint, len))
		from++;
	for (to = from; to < b->at.n && !strncmp(b->at.at[to].fingerprint, fingerprint, len);)
		to++;
	*ret_n = to - from;
	return &b->at.at[from];
}

void baseline_put(struct baseline *b, const char *fingerprint, const char *where, uint64_t bytes, uint64_t blocks)
{
	struct known *row = baseline_find(b, fingerprint);
	size_t i;

	if (!row) {
		i = place_of(b, fingerprint);
		(void)array_push(&b->at);
		memmove(&b->at.at[i + 1], &b->at.at[i], (b->at.n - 1 - i) * sizeof *b->at.at);
		row = &b->at.at[i];
		*row = (struct known){ .fingerprint = mem_text(fingerprint, strlen(fingerprint)),
				       .where = mem_text(where, strlen(where)) };
	}
	row->bytes += bytes;
	row->blocks += blocks;
}

static bool amount(const json_t *row, const char *key, uint64_t *ret)
{
	const json_t *value = json_object_get(row, key);

	*ret = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool take_row(struct baseline *b, const json_t *row)
{
	const char *fingerprint = json_string_value(json_object_get(row, "fingerprint"));
	const char *where = json_string_value(json_object_get(row, "where"));
	uint64_t bytes, blocks;

	if (!fingerprint || !*fingerprint || !amount(row, "bytes", &bytes) || !amount(row, "blocks", &blocks))
		return false;
	if (baseline_find(b, fingerprint))
		return false;
	baseline_put(b, fingerprint, where ? where : "", bytes, blocks);
	return true;
}

static int take_document(struct baseline *b, const json_t *document, const char *file, struct fault *ret_fault)
{
	const char *schema = json_string_value(json_object_get(document, "schema"));
	const json_t *list = json_object_get(document, "findings"), *row;
	size_t i;

	if (!schema || strcmp(schema, SCHEMA) || !json_is_array(list))
		return fault_set(ret_fault, FAULT_FORMAT, file, FAULT_NOWHERE, "no baseline of pytrace (schema %s)",
				 SCHEMA);
	json_array_foreach(list, i, row)
	{
		if (!take_row(b, row))
			return fault_set(ret_fault, FAULT_FORMAT, file, FAULT_NOWHERE,
					 "finding %zu has no fingerprint of its own, or no bytes and blocks", i + 1);
	}
	return 0;
}

int baseline_read(struct baseline *b, const char *file, bool *ret_absent, struct fault *ret_fault)
{
	FILE *f = fopen(file, "re");
	json_error_t error;
	json_t *document;
	int code;

	*b = (struct baseline){ 0 };
	*ret_absent = !f && errno == ENOENT;
	if (*ret_absent)
		return 0;
	if (!f)
		return fault_set(ret_fault, FAULT_IO, file, FAULT_NOWHERE, "%s", strerror(errno));
	document = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
	fclose(f);
	if (!document)
		return fault_set(ret_fault, FAULT_FORMAT, file, FAULT_NOWHERE, "line %d: %s", error.line, error.text);
	code = take_document(b, document, file, ret_fault);
	json_decref(document);
	return code;
}

void baseline_free(struct baseline *b)
{
	for (size_t i = 0; i < b->at.n; i++) {
		free(b->at.at[i].fingerprint);
		free(b->at.at[i].where);
	}
	array_free(&b->at);
}

bool baseline_write(const struct baseline *b, FILE *f)
{
	fprintf(f, "{\"schema\": \"" SCHEMA "\",\n \"findings\": [");
	for (size_t i = 0; i < b->at.n; i++) {
		const struct known *row = &b->at.at[i];
		json_t *o = json_object();

		json_put(o, "fingerprint", json_text(row->fingerprint));
		json_put(o, "bytes", json_bytes(row->bytes));
		json_put(o, "blocks", json_bytes(row->blocks));
		json_put(o, "where", json_text(row->where));
		fputs(i ? ",\n  " : "\n  ", f);
		if (json_dumpf(o, f, 0))
			i = b->at.n; /* ferror tells */
		json_decref(o);
	}
	fputs(b->at.n ? "\n ]}\n" : "]}\n", f);
	return !ferror(f);
}
