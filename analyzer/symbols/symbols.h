/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols: what an address in a module is called: function, file, line, and the functions inlined there
 *
 * What:  (module, offset) to frames, the innermost first. Modules are told by path and build id, as the trace has
 *        them; their files are looked for on this machine, below --sysroot, in --debug-path, at debuginfod.
 * When:  at the first question on a module its file is opened; at the first one in a compilation unit that is read.
 *        Answers are kept, so the same question is cheap.
 * Trust: none. A file whose build id is not the trace's is not used; a damaged one gives less, or nothing.
 * Beside: answers may come from a bundle, a file that `pytrace bundle` made where the modules were (bundle.h).
 * Threads: one at a time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct symbols_options {
	const char *sysroot;    /* below it are the modules' paths; NULL: / */
	const char *debug_path; /* "DIR[:DIR]", before the system's own folders of debug files; NULL: none */
	const char *bundle;     /* a file made by `pytrace bundle`; NULL: none. It need not exist */
	bool offline;           /* asks no debuginfod, whatever DEBUGINFOD_URLS says */
};

/* A module as a MODULE definition has it. */
struct symbols_module {
	const char *path;
	const uint8_t *build_id;
	unsigned build_id_bytes; /* 0: it has none */
	unsigned flags;          /* PT_MODULE_ of formats/event.h */
};

/* One frame. Texts are borrowed from the struct symbols, as long as it lives. */
struct symbol {
	const char *function; /* demangled; NULL: unknown */
	const char *linkage;  /* as the linker knows it; NULL: as function */
	const char *file;     /* as the compiler saw it, absolute where that is known; NULL: unknown */
	int line, column;     /* 0: unknown */
	bool inlined;         /* into the next one */
};

enum symbols_kind {
	SYMBOLS_OTHER,       /* any library */
	SYMBOLS_EXTENSION,   /* an extension module of Python: exports PyInit_ */
	SYMBOLS_INTERPRETER, /* exports CPython's evaluation loop, or is marked by the tracer */
	SYMBOLS_SYSTEM,      /* the C library, the loader, an allocator, a language's run-time library */
	SYMBOLS_PROGRAM,     /* the program itself, when it is no interpreter */
	SYMBOLS_VDSO,
	SYMBOLS_NO_MODULE, /* code of no file: made at run time */
	SYMBOLS_KINDS
};

struct symbols;

/* Nothing is opened yet, except the bundle. Options' texts are copied. Free with symbols_free(); NULL is fine there. */
struct symbols *symbols_new(const struct symbols_options *options);
void symbols_free(struct symbols *s);

/* Tells what module number `module` of the trace is; the last word on a number holds. Copies all. */
void symbols_add_module(struct symbols *s, uint32_t module, const struct symbols_module *m);

/* The frames at an offset (an address of the module's ELF file), the innermost first, at least one: unknown ones have
 * function NULL. Not exact: it is an address of return, and the call before it is looked up. Borrowed. Never fails. */
size_t symbols_find(struct symbols *s, uint32_t module, uint64_t offset, bool exact, const struct symbol **ret);

/* "libpython3.12.so.1.0": the last part of the path; "?" for a module that was never told or number 0. */
const char *symbols_module_name(struct symbols *s, uint32_t module);
/* The whole path; "" when it was never told. */
const char *symbols_module_path(struct symbols *s, uint32_t module);
enum symbols_kind symbols_module_kind(struct symbols *s, uint32_t module);
/* Whether lines of sources are known of the module, without looking up any. */
bool symbols_has_lines(struct symbols *s, uint32_t module);
/* "extension", "interpreter", "system", "library", "program", "vdso", "none". Static. */
const char *symbols_kind_name(enum symbols_kind kind);

/* What went wrong so far, each once: "/usr/lib/libz.so.1 is not the file that was traced (its build id differs):
 * no symbols of it". NULL when there is no number i. */
const char *symbols_warning(const struct symbols *s, size_t i);

/* The text of a source's line (from 1) as the bundle has it, without its indentation; NULL when it has none. Borrowed.
 * *ret_changed: its file was younger than the trace. */
const char *symbols_source(const struct symbols *s, const char *file, int line, bool *ret_changed);
/* Gives the next symbols_write() a line of a source. Copies. */
void symbols_add_source(struct symbols *s, const char *file, int line, const char *text, bool changed);

/* Writes a bundle of all that was asked so far. Returns its bytes, 0 when it could not be written (errno). */
size_t symbols_write(struct symbols *s, FILE *to);

/* The same as `function` for people: C++ and Rust demangled (Rust without its hash), suffixes of the compiler such as
 * .cold or .constprop.0 dropped. Returns a text to free(). */
char *symbols_demangle(const char *linkage);
