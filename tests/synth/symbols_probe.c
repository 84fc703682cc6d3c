/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols_probe: what analyzer/symbols says of addresses
 *
 *     symbols_probe [sysroot=DIR] [debug-path=DIRS] [bundle=FILE] [write=FILE] [build-id=HEX] MODULE < addresses
 *
 * Each line of stdin is an address in hexadecimal, "=" before it: exact, or LOW-HIGH+STEP for many, which are counted.
 * Prints a line a frame, "address function|linkage|file|line|column|inlined", then "kind" and "warning" lines.
 */
#include "analyzer/symbols/symbols.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *value_of(const char *argument, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(argument, key, n) && argument[n] == '=' ? argument + n + 1 : NULL;
}

static unsigned read_hex(const char *text, uint8_t *to, unsigned cap)
{
	unsigned n = 0, byte;

	for (; n < cap && sscanf(text + 2 * n, "%2x", &byte) == 1; n++)
		to[n] = (uint8_t)byte;
	return n;
}

/* A text without what separates texts: a damaged file's names may hold anything. */
static const char *clean(const char *text, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s", text ? text : "");
	for (char *c = buf; *c; c++)
		*c = (unsigned char)*c < ' ' ? '?' : *c;
	return buf;
}

static void print_frames(struct symbols *s, uint64_t address, bool exact)
{
	const struct symbol *at;
	size_t n = symbols_find(s, 7, address, exact, &at);

	for (size_t i = 0; i < n; i++) {
		char function[4096], linkage[4096], file[4096];

		printf("%" PRIx64 "\t%s\t%s\t%s\t%d\t%d\t%d\n", address,
		       clean(at[i].function, function, sizeof function), clean(at[i].linkage, linkage, sizeof linkage),
		       clean(at[i].file, file, sizeof file), at[i].line, at[i].column, at[i].inlined);
	}
}

static void count_frames(struct symbols *s, uint64_t low, uint64_t high, uint64_t step)
{
	size_t asked = 0, named = 0, lines = 0;
	const struct symbol *at;

	for (uint64_t a = low; a < high; a += step) {
		symbols_find(s, 7, a, true, &at);
		asked++;
		named += at->function != NULL;
		lines += at->line > 0;
	}
	printf("counted\t%zu\t%zu\t%zu\n", asked, named, lines);
}

static void answer(struct symbols *s, const char *line)
{
	uint64_t low, high, step;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 "+%" SCNu64, &low, &high, &step) == 3 && step)
		count_frames(s, low, high, step);
	else
		print_frames(s, strtoull(line + (*line == '='), NULL, 16), *line == '=');
}

static int write_to(struct symbols *s, const char *file)
{
	FILE *f = fopen(file, "w");
	bool written = f && symbols_write(s, f);

	if (!f || fclose(f) || !written) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct symbols_options options = { 0 };
	struct symbols_module module = { 0 };
	const char *write = NULL, *value;
	uint8_t id[64];
	struct symbols *s;
	char line[200];
	int code = 0;

	for (int i = 1; i < argc; i++) {
		if ((value = value_of(argv[i], "sysroot")))
			options.sysroot = value;
		else if ((value = value_of(argv[i], "debug-path")))
			options.debug_path = value;
		else if ((value = value_of(argv[i], "bundle")))
			options.bundle = value;
		else if ((value = value_of(argv[i], "write")))
			write = value;
		else if ((value = value_of(argv[i], "build-id")))
			module.build_id_bytes = read_hex(value, id, sizeof id);
		else
			module.path = argv[i];
	}
	module.build_id = id;
	s = symbols_new(&options);
	symbols_add_module(s, 7, &module);
	while (fgets(line, sizeof line, stdin))
		answer(s, line);
	if (write)
		code = write_to(s, write);
	printf("kind\t%s\n", symbols_kind_name(symbols_module_kind(s, 7)));
	for (size_t i = 0; symbols_warning(s, i); i++)
		printf("warning\t%s\n", symbols_warning(s, i));
	symbols_free(s);
	return code;
}
