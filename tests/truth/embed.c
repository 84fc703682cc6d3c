/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed: a C program that starts Python, takes it down, and starts it again
 *
 * embed LIBPYTHON LOCAL|GLOBAL SCRIPT...: opens the library with dlopen, then for each script initialises, runs it,
 * finalises.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	return 0;
}
