/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/symbols/units.h"
#include "analyzer/base/arena.h"
#include "analyzer/base/map.h"
#include "analyzer/base/mem.h"
#include "analyzer/symbols/spans.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_RANGES = 1 << 20, /* of one DIE */
	MAX_DEPTH = 100,      /* of DIEs in each other */
	MAX_PATH = 4096,
	NO_PARENT = -1,
	NO_SCOPE = -1,
};

/* A function that was inlined into another one. */
struct inlined {
	Dwarf_Die die;
	int parent; /* index of the inlined function that it was inlined into; NO_PARENT: the function itself */
	int depth;
};

struct function {
	Dwarf_Die die;
	bool read; /* its inlined functions */
	ARRAY(struct inlined) inlined;
	ARRAY(struct span) spans; /* of inlined functions, in order of DIEs */
};

struct unit {
	Dwarf_Die die;   /* has ranges and lines */
	Dwarf_Die body;  /* has functions: with split DWARF another one */
	bool read, deep; /* its functions; also those within functions */
	ARRAY(struct function) functions;
	struct spans spans;
};

/* A namespace, a class, a function: names within it start with its own. */
struct scope {
	const char *name;
	int parent; /* index, NO_SCOPE */
};

struct units {
	ARRAY(struct unit) units;
	struct spans spans;
	struct arena texts;
	struct map paths; /* name within a file table (its address in memory) to index in path_of */
	struct map names; /* a DIE (its address in memory) to index in path_of: names made from scopes */
	ARRAY(const char *) path_of;
	ARRAY(struct scope) scopes;
	struct map scope_of;    /* a function's DIE to its scope, plus 1 */
	struct map scopes_read; /* units (their first DIE) whose scopes are known */
};

/* ---- ranges ---- */

/* Pushes all ranges of a DIE; whether it has any. */
static bool push_ranges(struct spans *spans, Dwarf_Die *die, uint32_t value)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;
	size_t before = spans->n;

	for (int i = 0; i < MAX_RANGES && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0; i++)
		if (low) /* at 0 lies what the linker threw away */
			spans_push(spans, low, high, value);
	return spans->n > before;
}

struct units *units_new(Dwarf *dwarf)
{
	struct units *u = mem_zero(1, sizeof *u);
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, split;
	uint8_t type;

	while (!dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, &split)) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		*array_push(&u->units) = (struct unit){
			.die = die,
			.body = type == DW_UT_skeleton && dwarf_tag(&split) == DW_TAG_compile_unit ? split : die,
		};
	}
	for (size_t i = 0; i < u->units.n; i++)
		push_ranges(&u->spans, &u->units.at[i].die, (uint32_t)i);
	spans_sort(&u->spans);
	return u;
}

static void forget_functions(struct unit *unit)
{
	for (size_t i = 0; i < unit->functions.n; i++) {
		array_free(&unit->functions.at[i].inlined);
		array_free(&unit->functions.at[i].spans);
	}
	unit->functions.n = unit->spans.n = 0;
}

void units_free(struct units *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->units.n; i++) {
		struct unit *unit = &u->units.at[i];

		forget_functions(unit);
		array_free(&unit->functions);
		array_free(&unit->spans);
	}
	array_free(&u->units);
	array_free(&u->spans);
	array_free(&u->path_of);
	map_free(&u->paths);
	map_free(&u->names);
	map_free(&u->scope_of);
	map_free(&u->scopes_read);
	array_free(&u->scopes);
	arena_free(&u->texts);
	free(u);
}

bool units_has_code(const struct units *u) { return u->spans.n; }

/* ---- walks over DIEs ---- */

/* A walk in the order of the file. What is left out is skipped, nothing is seen twice, whatever the file says: so a
 * walk ends within as many steps as a unit has bytes. */
struct walk {
	Dwarf_Off last; /* the DIE seen last */
};

static bool go_to(Dwarf_Die *die, struct walk *w)
{
	Dwarf_Off at = dwarf_dieoffset(die);

	if (at <= w->last)
		return false;
	w->last = at;
	return true;
}

/* To the first child. */
static bool go_down(Dwarf_Die *from, Dwarf_Die *to, struct walk *w) { return !dwarf_child(from, to) && go_to(to, w); }

/* To the next sibling. */
static bool go_on(Dwarf_Die *die, struct walk *w)
{
	Dwarf_Die next;

	if (dwarf_siblingof(die, &next) || !go_to(&next, w))
		return false;
	*die = next;
	return true;
}

/* Functions may be in any of these. */
static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_module || tag == DW_TAG_enumeration_type;
}

static bool is_block(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

static void read_functions(struct unit *unit, Dwarf_Die *parent, struct walk *w, int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || !go_down(parent, &die, w))
		return;
	do {
		int tag = dwarf_tag(&die);
		bool is_function = tag == DW_TAG_subprogram || tag == DW_TAG_entry_point;

		if (is_function && push_ranges(&unit->spans, &die, (uint32_t)unit->functions.n))
			*array_push(&unit->functions) = (struct function){ .die = die };
		if (is_scope(tag) || (unit->deep && (is_function || is_block(tag))))
			read_functions(unit, &die, w, depth + 1);
	} while (go_on(&die, w));
}

/* The function of a unit at an address. Functions within functions are looked for only when the others don't know it.
 */
static struct function *find_function(struct unit *unit, uint64_t address)
{
	int64_t found = SPANS_NONE;

	while (!unit->read || (found = spans_find(&unit->spans, address)) == SPANS_NONE) {
		struct walk w = { 0 };

		if (unit->read && unit->deep)
			return NULL;
		unit->deep = unit->read;
		unit->read = true;
		forget_functions(unit);
		read_functions(unit, &unit->body, &w, 0);
		spans_sort(&unit->spans);
	}
	return &unit->functions.at[found];
}

static void read_inlined(struct function *f, Dwarf_Die *parent, int inlined_parent, struct walk *w, int depth)
{
	Dwarf_Die die;
	struct spans ranges = { 0 };

	if (depth > MAX_DEPTH || !go_down(parent, &die, w))
		return;
	do {
		int tag = dwarf_tag(&die), within = inlined_parent;

		if (tag == DW_TAG_inlined_subroutine) {
			within = (int)f->inlined.n;
			*array_push(&f->inlined) = (struct inlined){
				.die = die,
				.parent = inlined_parent,
				.depth = inlined_parent == NO_PARENT ? 1 : f->inlined.at[inlined_parent].depth + 1,
			};
			ranges.n = 0;
			push_ranges(&ranges, &die, (uint32_t)within);
			for (size_t i = 0; i < ranges.n; i++)
				*array_push(&f->spans) = ranges.at[i];
		}
		if (tag == DW_TAG_inlined_subroutine || is_block(tag))
			read_inlined(f, &die, within, w, depth + 1);
	} while (go_on(&die, w));
	array_free(&ranges);
}

/* The innermost inlined function at an address: its index, or NO_PARENT. */
static int find_inlined(struct function *f, uint64_t address)
{
	int found = NO_PARENT, depth = 0;

	if (!f->read) {
		struct walk w = { 0 };

		read_inlined(f, &f->die, NO_PARENT, &w, 0);
		f->read = true;
	}
	for (size_t i = 0; i < f->spans.n; i++) {
		const struct span *s = &f->spans.at[i];

		if (s->low <= address && address < s->high && f->inlined.at[s->value].depth > depth) {
			found = (int)s->value;
			depth = f->inlined.at[found].depth;
		}
	}
	return found;
}

/* ---- names and files ---- */

static const char *attribute_text(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;

	return dwarf_attr_integrate(die, name, &a) ? dwarf_formstring(&a) : NULL;
}

static int attribute_number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &a) || dwarf_formudata(&a, &value) || value > INT32_MAX)
		return 0;
	return (int)value;
}

/* The DIE that says where a function was declared: that of its abstract or first form. */
static Dwarf_Die declaration_of(Dwarf_Die die)
{
	static const unsigned links[] = { DW_AT_abstract_origin, DW_AT_specification };
	Dwarf_Attribute a;
	Dwarf_Die to;

	for (int i = 0; i < 8; i++)
		if ((dwarf_attr(&die, links[i & 1], &a)) && dwarf_formref_die(&a, &to))
			die = to;
	return die;
}

/* What a DIE adds to the names within it: NULL for nothing. */
static const char *scope_name(Dwarf_Die *scope)
{
	int tag = dwarf_tag(scope);
	const char *name = is_scope(tag) || tag == DW_TAG_subprogram ? dwarf_diename(scope) : NULL;

	if (name)
		return name;
	if (tag == DW_TAG_namespace)
		return "(anonymous namespace)";
	return tag == DW_TAG_class_type || tag == DW_TAG_structure_type ? "{lambda}" : NULL;
}

static uint64_t die_key(const Dwarf_Die *die) { return (uint64_t)(uintptr_t)die->addr; }

/* Notes for each function below `parent` what it stands in. */
static void read_scopes(struct units *u, Dwarf_Die *parent, int scope, struct walk *w, int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || !go_down(parent, &die, w))
		return;
	do {
		int tag = dwarf_tag(&die), within = scope;
		const char *name = scope_name(&die);

		if (tag == DW_TAG_subprogram)
			*map_at(&u->scope_of, die_key(&die)) = (uint32_t)(scope + 1);
		if (name) {
			within = (int)u->scopes.n;
			*array_push(&u->scopes) = (struct scope){ name, scope };
		}
		if (name || is_block(tag))
			read_scopes(u, &die, within, w, depth + 1);
	} while (go_on(&die, w));
}

/* The scope of a function, read together with those of its whole unit. (dwarf_getscopes_die() would walk through the
 * unit for each.) */
static int scope_find(struct units *u, Dwarf_Die *die)
{
	Dwarf_Die unit;
	uint32_t found, *read;

	if (!dwarf_cu_die(die->cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL))
		return NO_SCOPE;
	read = map_at(&u->scopes_read, die_key(&unit));
	if (*read == MAP_NONE) {
		struct walk w = { 0 };

		*read = 1;
		read_scopes(u, &unit, NO_SCOPE, &w, 0);
	}
	found = map_find(&u->scope_of, die_key(die));
	return found == MAP_NONE ? NO_SCOPE : (int)found - 1;
}

/* "ns::Class::name" for a function that has no linkage name: NULL when it stands in no scope. */
static char *scoped_name(struct units *u, Dwarf_Die *die, const char *name)
{
	int scopes[MAX_DEPTH + 1], n = 0;
	char path[MAX_PATH];
	size_t used = 0;

	for (int at = scope_find(u, die); at != NO_SCOPE && n <= MAX_DEPTH; at = u->scopes.at[at].parent)
		scopes[n++] = at;
	if (!n)
		return NULL;
	while (n-- > 0 && used < sizeof path)
		used += (size_t)snprintf(path + used, sizeof path - used, "%s::", u->scopes.at[scopes[n]].name);
	if (used + strlen(name) >= sizeof path)
		return NULL;
	memcpy(path + used, name, strlen(name) + 1);
	return mem_text(path, used + strlen(name));
}

static bool has_scopes(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_Rust:
	case DW_LANG_D: return true;
	default: return false;
	}
}

/* Names of the linker tell everything; where there are none, plain ones, in C++ with the scopes that they stand in. */
static const char *function_name(struct units *u, struct unit *unit, Dwarf_Die *die)
{
	const char *name = attribute_text(die, DW_AT_linkage_name);
	Dwarf_Die declaration;
	uint32_t *index;
	char *scoped;

	name = name ? name : attribute_text(die, DW_AT_MIPS_linkage_name);
	if (name)
		return name;
	name = attribute_text(die, DW_AT_name);
	if (!name || !has_scopes(&unit->die))
		return name;
	declaration = declaration_of(*die);
	index = map_at(&u->names, die_key(&declaration));
	if (*index == MAP_NONE) {
		*index = (uint32_t)u->path_of.n;
		scoped = scoped_name(u, &declaration, name);
		*array_push(&u->path_of) = scoped ? arena_text(&u->texts, scoped, strlen(scoped)) : name;
		free(scoped);
	}
	return u->path_of.at[*index];
}

/* Takes "." and "x/.." out of an absolute path, in place. */
static void path_clean(char *path)
{
	char *to = path, *from = path;

	while (*from) {
		size_t n = strcspn(from + 1, "/") + 1;

		if (n == 3 && !memcmp(from, "/..", 3)) {
			while (to > path && *--to != '/')
				;
		} else if (n > 1 && !(n == 2 && from[1] == '.')) {
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	*to = 0;
}

/* A file's name as reports show it: absolute if the unit tells its folder. The same pointer gives the same text. */
static const char *file_path(struct units *u, struct unit *unit, const char *name)
{
	const char *dir = attribute_text(&unit->die, DW_AT_comp_dir);
	char path[MAX_PATH];
	uint32_t *index;
	int n;

	if (!name || !*name || *name == '<' || !strcmp(name, "???"))
		return NULL;
	index = map_at(&u->paths, (uint64_t)(uintptr_t)name);
	if (*index != MAP_NONE)
		return u->path_of.at[*index];
	if (*name == '/' || !dir || !*dir)
		n = snprintf(path, sizeof path, "%s", name);
	else
		n = snprintf(path, sizeof path, "%s/%s", dir, name);
	if (n >= (int)sizeof path)
		return NULL;
	if (*path == '/')
		path_clean(path);
	*index = (uint32_t)u->path_of.n;
	*array_push(&u->path_of) = arena_text(&u->texts, path, strlen(path));
	return u->path_of.at[*index];
}

/* ---- an answer ---- */

static void line_find(struct units *u, struct unit *unit, uint64_t address, struct symbol *to)
{
	Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address);

	/* Line 0: no line of the source; its file is anybody's. */
	if (!line || dwarf_lineno(line, &to->line) || to->line <= 0) {
		to->line = 0;
		return;
	}
	to->file = file_path(u, unit, dwarf_linesrc(line, NULL, NULL));
	if (dwarf_linecol(line, &to->column) || to->column < 0)
		to->column = 0;
}

/* Where an inlined function was called. */
static void call_site(struct units *u, struct unit *unit, Dwarf_Die *die, struct symbol *to)
{
	Dwarf_Files *files;
	size_t n_files;
	int index = attribute_number(die, DW_AT_call_file);

	/* Before DWARF 5, file 0 was no file; libdw calls it "???". */
	if (dwarf_hasattr(die, DW_AT_call_file) && !dwarf_getsrcfiles(&unit->body, &files, &n_files) &&
	    (size_t)index < n_files)
		to->file = file_path(u, unit, dwarf_filesrc(files, (size_t)index, NULL, NULL));
	to->line = attribute_number(die, DW_AT_call_line);
	to->column = attribute_number(die, DW_AT_call_column);
}

void units_find(struct units *u, uint64_t address, struct object_frames *ret)
{
	int64_t found = spans_find(&u->spans, address);
	struct unit *unit = found == SPANS_NONE ? NULL : &u->units.at[found];
	struct function *f = unit ? find_function(unit, address) : NULL;
	struct symbol at = { 0 };

	ret->n = 0;
	if (!unit)
		return;
	line_find(u, unit, address, &at);
	for (int i = f ? find_inlined(f, address) : NO_PARENT; i != NO_PARENT; i = f->inlined.at[i].parent) {
		struct inlined *inlined = &f->inlined.at[i];

		if (ret->n == OBJECT_MAX_FRAMES - 1)
			break;
		at.function = function_name(u, unit, &inlined->die);
		at.inlined = true;
		ret->at[ret->n++] = at;
		at = (struct symbol){ 0 };
		call_site(u, unit, &inlined->die, &at);
	}
	at.function = f ? function_name(u, unit, &f->die) : NULL;
	ret->at[ret->n++] = at;
}
