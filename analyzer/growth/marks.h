/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks: the labels that a program sets, as borders between equal pieces of its work
 *
 * What:  libpytrace.mark("request") once a request says better what is work than any count of blocks. Labels that
 *        differ in numbers only ("request 17") are one family. Of a family each mark is a border, or, when there are
 *        too many, every second, every fourth ... one. Entries of regions are marks, too.
 * Who:   growth/curves.h keeps them beside its slices; growth/growth.h cuts windows by them.
 * Memory: 24 bytes for each border, of which curves bounds the number, and the families, one for each label.
 */
#pragma once
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/strings.h"

struct mark_family {
	string_id label; /* digits are '#' */
	bool region;
	uint64_t n;      /* marks so far */
	uint64_t stride; /* every so many marks there is a border; 0: no more */
};

/* A slice of curves that ends at a mark. */
struct mark_border {
	uint32_t slice;
	uint32_t family;
	uint64_t number; /* of the mark in its family, from 1 */
};

struct marks {
	struct strings labels;
	ARRAY(struct mark_family) families;
	ARRAY(struct mark_border) borders; /* by slice */
	struct map by_label;
};

enum { MARKS_MIN = 8 }; /* fewer are no measure */

/* The next mark of a label. Whether there is to be a border: then *ret_border, whose slice the caller fills, is the
 * last one. The pointer is good until the next call. */
bool marks_note(struct marks *m, const char *label, bool region, struct mark_border **ret_border);
/* Drops borders: of the families with most marks every second one, of the others all. */
void marks_thin(struct marks *m);
void marks_free(struct marks *m);
