/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_fingerprint: one name for a leak, in every run, on every machine, after every edit elsewhere
 *
 *     growth-1c60a2f3d5e90b47
 *     verdict stem    detail
 *
 * The detail is made of the innermost few functions of the user's own code and the base names of their files. All else
 * on a stack changes without the leak: frames of packages and of the standard library with every update of theirs, the
 * outermost functions with how the program is started, lines with every edit. Recursion of any depth counts once.
 *
 * The stem knows less, so that it is the same where names differ: of Service.handle it has "handle", as code has no
 * qualified name before 3.11; of a function of a library, which may be stripped, the library's name; and it ends with
 * the innermost function in Python, whoever calls that. Line tables of machine code change neither: frames count by the
 * symbol that they lie in, not by what was inlined there.
 *
 * Whoever compares findings of different runs looks for the whole first, then for verdict and stem: finding_stem().
 */
#include "analyzer/findings/finding.h"
#include "analyzer/base/path.h"
#include "formats/block.h"

#include <inttypes.h>
#include <string.h>

#define FUNCTIONS_MAX 3 /* that which is to blame, and its nearest callers */

struct print {
	uint64_t seen[FUNCTIONS_MAX]; /* details of the functions so far */
	unsigned n;
	uint64_t last_stem, stem, detail;
	bool stem_ends; /* with a function in Python */
};

static uint64_t hash_of(const char *text, size_t len) { return map_mix(pt_xxh3(text, len)); }

/* Several functions of one library are one in the stem. */
static void add_to_stem(struct print *p, uint64_t stem)
{
	if (!p->stem_ends && stem != p->last_stem)
		p->stem = map_mix(p->stem * 31 + stem);
	p->last_stem = stem;
}

static void add_function(struct print *p, uint64_t stem, uint64_t detail)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->seen[i] == detail)
			return;
	}
	add_to_stem(p, stem);
	p->detail = map_mix(p->detail * 31 + detail);
	p->seen[p->n++] = detail;
}

/* From 3.12 on comprehensions have no frames. */
static bool is_comprehension(const char *name)
{
	return !strcmp(name, "<listcomp>") || !strcmp(name, "<setcomp>") || !strcmp(name, "<dictcomp>");
}

static void add_python(struct print *p, const struct place *place)
{
	const char *file = path_name(place->file), *dot = strrchr(place->function, '.');
	const char *name = dot ? dot + 1 : place->function;
	uint64_t of_file = hash_of(file, strlen(file));

	if (is_comprehension(name) || (p->n && !strcmp(name, "<module>")))
		return;
	add_function(p, of_file ^ pt_xxh3(name, strlen(name)),
		     of_file ^ pt_xxh3(place->function, strlen(place->function)));
	p->stem_ends = true;
}

/* "unpack" of "unpack(char const*, int)" and of "unpack.constprop.0". */
static void add_native(struct print *p, const struct place *place)
{
	uint64_t of_module = hash_of(place->module, strcspn(place->module, "."));

	add_function(p, of_module, of_module ^ pt_xxh3(place->function, strcspn(place->function, "(.")));
}

/* What a compiler brings along counts for nothing, also where no line tells that it does. */
static bool is_brought(const char *function)
{
	static const char *const names[] = { "std::", "__gnu_cxx::", "operator ", "core::", "alloc::", "pybind11::" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!strncmp(function, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

/* Whether a frame counts that is not the one to blame. */
static bool counts(const struct place *place)
{
	if (!place->module)
		return place->origin == ORIGIN_USER;
	return (place->origin == ORIGIN_USER || place->origin == ORIGIN_MODULE) && !is_brought(place->function);
}

static void add_node(struct print *p, const struct finding *f, node_id node)
{
	size_t n;
	const struct place *frames = place_frames(&f->trace->places, node, &n), *place = &frames[n - 1];

	if (!counts(place) && (node != f->blame || p->n))
		return;
	if (place->module)
		add_native(p, place);
	else if (place->origin != ORIGIN_NONE)
		add_python(p, place);
}

/* Of a finding on references to objects that no stack made, the type is all that is known. */
static uint64_t type_hash(const struct finding *f)
{
	const char *type;

	if (f->lost.kind != LOST_SHARED || f->blame > NODE_UNKNOWN)
		return 0;
	type = strings_text(&f->trace->remains->surplus.strings, f->lost.type);
	return hash_of(type, strlen(type));
}

/* The stack that is to blame. */
static node_id start_of(const struct finding *f)
{
	if (finding_blames_adder(f))
		return f->added_node;
	return f->sum.node > NODE_UNKNOWN ? f->sum.node : f->blame;
}

char *finding_fingerprint(const struct finding *f, char *buf, size_t cap)
{
	const struct defs *d = &f->trace->trace.defs;
	struct print p = { .stem = type_hash(f), .detail = type_hash(f) ^ 1 };

	for (node_id at = start_of(f); at > NODE_UNKNOWN && p.n < FUNCTIONS_MAX; at = defs_frame(d, at)->parent)
		add_node(&p, f, at);
	snprintf(buf, cap, "%s-%08" PRIx32 "%08" PRIx32, finding_verdict(f), (uint32_t)p.stem, (uint32_t)p.detail);
	return buf;
}

size_t finding_stem(const char *fingerprint)
{
	size_t len = strlen(fingerprint);

	return len > 8 ? len - 8 : len;
}
