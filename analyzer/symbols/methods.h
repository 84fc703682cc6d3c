/* SPDX-License-Identifier: Apache-2.0 */
/*
 * methods: names of functions in a stripped extension module, from the tables that it hands to Python
 *
 * What:  wheels come without symbol tables, but they must tell Python the names of their functions: PyMethodDef,
 *        PyGetSetDef and PyTypeObject lie in their data, made of pointers that the loader relocates. Relocations that
 *        look like one of them (a pointer to an identifier, one to code, flags that make sense, zeros where zeros
 *        belong) give the code the name that Python calls it by.
 * Where: a function ends where .eh_frame says so; what that does not know is passed over.
 * Sure:  as sure as a form can make it. Whoever has real symbols prefers them.
 * Trust: none: sizes and offsets are held against the sections.
 */
#pragma once
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdint.h>

/* Calls `each` with a name (borrowed, gone afterwards) and the addresses of the file between which its function lies. A
 * function may come more than once. Of 64-bit little-endian files only. */
void methods_each(Elf *elf, void (*each)(void *self, const char *name, uint64_t start, uint64_t end), void *self);
