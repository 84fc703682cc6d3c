/* SPDX-License-Identifier: Apache-2.0 */
/*
 * units: the DWARF of one file, asked by address
 *
 * What:  compilation units by address, made when the file is opened; functions of a unit by address, made at the first
 *        question in it; the functions inlined into a function, made at the first question in that. (libdw's own
 *        dwarf_getscopes() reads the whole unit again for each question.)
 * Trust: none. DIEs are visited in rising order only, each once in a walk.
 * Owner: of its tables; the Dwarf stays the caller's and must outlive it.
 */
#pragma once
#include <elfutils/libdw.h>
#include "analyzer/symbols/object.h"

struct units;

struct units *units_new(Dwarf *dwarf);
void units_free(struct units *u);

/* Whether any unit says which addresses are its. */
bool units_has_code(const struct units *u);

/* Fills *ret with the frames at an address of the DWARF, the innermost first. n is 0 when no unit knows it; the
 * outermost frame has no function when only its line is known. */
void units_find(struct units *u, uint64_t address, struct object_frames *ret);
