/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed: a C program that starts Python, takes it down, and starts it again
 *
 * embed LIBPYTHON LOCAL|GLOBAL SCRIPT...: opens the library with dlopen, then for each script initialises, runs it,
 * finalises. Before and after it makes blocks of its own: three of 4444 bytes that stay, three of 5555 that go. With
 * EMBED_PREFIX also three of 6666 bytes from an allocator of its own that has names of its own.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *blocks[9];

#ifdef EMBED_PREFIX
void *own_malloc(size_t size);
void own_free(void *p);
#endif

static void make_blocks(void)
{
	for (int i = 0; i < 3; i++) {
		blocks[i] = malloc(4444);
		blocks[i + 3] = calloc(5, 1111);
#ifdef EMBED_PREFIX
		blocks[i + 6] = own_malloc(6666);
		own_free(own_malloc(7777));
#endif
	}
}

static void give_back(void)
{
	for (int i = 3; i < 6; i++)
		free(blocks[i]);
}

static void *symbol(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		fprintf(stderr, "embed: no %s\n", name);
		exit(2);
	}
	return p;
}

static char *slurp(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	return text;
}

int main(int argc, char **argv)
{
	void *lib;
	void (*initialize)(int);
	int (*finalize)(void), (*run)(const char *, void *);

	if (argc < 4)
		return 2;
	make_blocks();
	lib = dlopen(argv[1], RTLD_NOW | (strcmp(argv[2], "GLOBAL") ? RTLD_LOCAL : RTLD_GLOBAL));
	if (!lib) {
		fprintf(stderr, "embed: %s\n", dlerror());
		return 2;
	}
	initialize = symbol(lib, "Py_InitializeEx");
	finalize = symbol(lib, "Py_FinalizeEx");
	run = symbol(lib, "PyRun_SimpleStringFlags");
	for (int i = 3; i < argc; i++) {
		initialize(0);
		if (run(slurp(argv[i]), NULL))
			return 1;
		if (finalize())
			return 1;
	}
	give_back();
	return 0;
}
