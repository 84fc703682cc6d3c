/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/symbols/symbols.h"
#include "analyzer/base/arena.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/mem.h"
#include "analyzer/base/path.h"
#include "analyzer/base/strings.h"
#include "analyzer/symbols/bundle.h"
#include "analyzer/symbols/files.h"
#include "analyzer/symbols/object.h"
#include "formats/event.h"

#include <stdlib.h>
#include <string.h>

/* An answer, kept. */
struct chain {
	size_t n;
	struct symbol at[];
};

/* One for all numbers that have the same path, build id and flags. */
struct module {
	struct symbols_module m;
	const char *name; /* within m.path */
	int bundled;      /* its number in the bundle, BUNDLE_NONE */
	bool tried;       /* to open it */
	struct object *object;
	struct map chains; /* address to index in symbols.chains */
	enum symbols_kind kind;
	bool kind_known;
};

/* A line of a source. */
struct source {
	string_id file, text;
	int line;
	bool changed;
};

struct symbols {
	struct files *files;
	struct bundle *bundle;
	bool told;           /* that names can't be had */
	bool bundle_is_last; /* the user said where to look: that comes before a bundle */
	struct arena arena;
	struct strings texts;      /* demangled names, files */
	struct strings identities; /* of modules */
	struct map by_number, by_identity;
	struct map demangled; /* string_id of a linkage name to that of the name for people */
	ARRAY(struct module) modules;
	ARRAY(struct chain *) chains;
	ARRAY(char *) warnings;
	ARRAY(struct source) sources; /* to be written */
	struct map source_of;         /* file and line to index in sources */
};

static const struct chain unknown = { .n = 1, .at = { { 0 } } };

struct symbols *symbols_new(const struct symbols_options *options)
{
	struct symbols *s = mem_zero(1, sizeof *s);
	char *warning = NULL;

	s->bundle = options->bundle && *options->bundle ? bundle_open(options->bundle, &warning) : NULL;
	s->bundle_is_last = options->sysroot || options->debug_path;
	if (warning)
		*array_push(&s->warnings) = warning;
	s->files = files_new(options->sysroot, options->debug_path, options->offline);
	strings_add(&s->texts, "", 0);
	strings_add(&s->identities, "", 0);
	return s;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->modules.n; i++) {
		object_close(s->modules.at[i].object);
		map_free(&s->modules.at[i].chains);
	}
	for (size_t i = 0; i < s->warnings.n; i++)
		free(s->warnings.at[i]);
	array_free(&s->warnings);
	array_free(&s->sources);
	map_free(&s->source_of);
	array_free(&s->modules);
	array_free(&s->chains);
	map_free(&s->by_number);
	map_free(&s->by_identity);
	map_free(&s->demangled);
	strings_free(&s->texts);
	strings_free(&s->identities);
	arena_free(&s->arena);
	files_free(s->files);
	bundle_close(s->bundle);
	free(s);
}

/* ---- modules ---- */

/* All of a path that ends with a slash. */
static const char *name_of(const char *path) { return *path_name(path) ? path_name(path) : path; }

/* A number for all that tells one module from another. */
static string_id identity(struct symbols *s, const struct symbols_module *m)
{
	size_t path_len = strlen(m->path), n = 1 + FILES_BUILD_ID_BYTES + path_len;
	uint8_t *key = mem_zero(1, n);
	string_id id;

	key[0] = (uint8_t)m->flags;
	memcpy(key + 1, m->build_id, m->build_id_bytes);
	memcpy(key + 1 + FILES_BUILD_ID_BYTES, m->path, path_len);
	id = strings_add(&s->identities, key, n);
	free(key);
	return id;
}

void symbols_add_module(struct symbols *s, uint32_t number, const struct symbols_module *given)
{
	static const uint8_t none[1];
	struct symbols_module m = *given;
	struct module *module;
	uint32_t *index;

	m.path = m.path ? m.path : "";
	m.build_id_bytes = !m.build_id                               ? 0
			   : m.build_id_bytes < FILES_BUILD_ID_BYTES ? m.build_id_bytes
								     : FILES_BUILD_ID_BYTES;
	m.build_id = m.build_id_bytes ? m.build_id : none;
	index = map_at(&s->by_identity, identity(s, &m));
	if (*index == MAP_NONE) {
		*index = (uint32_t)s->modules.n;
		module = array_push(&s->modules);
		m.path = arena_text(&s->arena, m.path, strlen(m.path));
		m.build_id = (const uint8_t *)arena_text(&s->arena, m.build_id, m.build_id_bytes);
		*module = (struct module){
			.m = m,
			.name = name_of(m.path),
			.bundled = s->bundle ? bundle_module(s->bundle, &m) : BUNDLE_NONE,
		};
	}
	*map_at(&s->by_number, number) = *index;
}

static struct module *module_of(struct symbols *s, uint32_t number)
{
	uint32_t index = number ? map_find(&s->by_number, number) : MAP_NONE;

	return index == MAP_NONE ? NULL : &s->modules.at[index];
}

const char *symbols_module_name(struct symbols *s, uint32_t number)
{
	struct module *m = module_of(s, number);

	return m && *m->name ? m->name : "?";
}

const char *symbols_module_path(struct symbols *s, uint32_t number)
{
	struct module *m = module_of(s, number);

	return m ? m->m.path : "";
}

static struct object *object_of(struct symbols *s, struct module *m)
{
	char *warning = NULL;

	if (!m->tried && !(m->m.flags & PT_MODULE_VDSO) && *m->m.path)
		m->object = object_open(s->files, &m->m, &warning);
	m->tried = true;
	if (!object_available() && !s->told) {
		static const char text[] = "native frames have no names: this pytrace was built without elfutils";

		*array_push(&s->warnings) = mem_text(text, sizeof text - 1);
		s->told = true;
	}
	if (warning && m->bundled != BUNDLE_NONE)
		free(warning);
	else if (warning)
		*array_push(&s->warnings) = warning;
	return m->object;
}

const char *symbols_warning(const struct symbols *s, size_t i) { return i < s->warnings.n ? s->warnings.at[i] : NULL; }

/* ---- kinds ---- */

const char *symbols_kind_name(enum symbols_kind kind)
{
	static const char *const names[SYMBOLS_KINDS] = {
		[SYMBOLS_OTHER] = "library",  [SYMBOLS_EXTENSION] = "extension", [SYMBOLS_INTERPRETER] = "interpreter",
		[SYMBOLS_SYSTEM] = "system",  [SYMBOLS_PROGRAM] = "program",     [SYMBOLS_VDSO] = "vdso",
		[SYMBOLS_NO_MODULE] = "none",
	};

	return kind < SYMBOLS_KINDS ? names[kind] : "?";
}

/* Whether a file's name is `stem` up to a dot, a dash or its end: "libc" of libc.so.6 and libc-2.31.so. */
static bool has_stem(const char *name, const char *stem)
{
	size_t n = strlen(stem);

	return !strncmp(name, stem, n) && strchr(".-_", name[n]) != NULL;
}

static bool is_system(const char *name)
{
	static const char *const stems[] = {
		"libc",        "ld",          "ld-linux",    "libpthread",          "libdl",      "libm",
		"librt",       "libutil",     "libgcc_s",    "libstdc++",           "libc++",     "libc++abi",
		"libjemalloc", "libmimalloc", "libtcmalloc", "libtcmalloc_minimal", "libpytrace", "libasan",
		"libgomp",     "libanl",
	};

	for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
		if (has_stem(name, stems[i]))
			return true;
	return false;
}

/* What a module is when its file can't be asked: by the names that are usual. */
static enum symbols_kind kind_by_name(const struct module *m)
{
	size_t n = strlen(m->name);

	if (has_stem(m->name, "libpython3") || has_stem(m->name, "python3") || !strcmp(m->name, "python"))
		return SYMBOLS_INTERPRETER;
	if (m->m.flags & PT_MODULE_MAIN)
		return SYMBOLS_PROGRAM;
	if (strstr(m->name, ".cpython-") || (n > 8 && !strcmp(m->name + n - 8, ".abi3.so")))
		return SYMBOLS_EXTENSION;
	return SYMBOLS_OTHER;
}

static enum symbols_kind kind_find(struct symbols *s, struct module *m)
{
	unsigned exports;

	if (m->bundled != BUNDLE_NONE)
		return bundle_kind(s->bundle, m->bundled);
	if (m->m.flags & PT_MODULE_VDSO)
		return SYMBOLS_VDSO;
	if (m->m.flags & PT_MODULE_PYTHON)
		return SYMBOLS_INTERPRETER;
	if (is_system(m->name))
		return SYMBOLS_SYSTEM;
	if (!object_of(s, m))
		return kind_by_name(m);
	exports = object_exports(m->object);
	if (exports & OBJECT_EVAL)
		return SYMBOLS_INTERPRETER;
	if (m->m.flags & PT_MODULE_MAIN)
		return SYMBOLS_PROGRAM;
	return exports & OBJECT_PYINIT ? SYMBOLS_EXTENSION : SYMBOLS_OTHER;
}

static enum symbols_kind kind_of(struct symbols *s, struct module *m)
{
	if (!m->kind_known)
		m->kind = kind_find(s, m);
	m->kind_known = true;
	return m->kind;
}

enum symbols_kind symbols_module_kind(struct symbols *s, uint32_t number)
{
	struct module *m = module_of(s, number);

	if (!m)
		return number ? SYMBOLS_OTHER : SYMBOLS_NO_MODULE;
	return kind_of(s, m);
}

bool symbols_has_lines(struct symbols *s, uint32_t number)
{
	struct module *m = module_of(s, number);

	if (m && m->bundled != BUNDLE_NONE && bundle_has_lines(s->bundle, m->bundled))
		return true;
	return m && (m->bundled == BUNDLE_NONE || s->bundle_is_last) && object_of(s, m) && object_has_lines(m->object);
}

/* ---- addresses ---- */

/* A text of an object, for ever; the same text once. */
static const char *text_keep(struct symbols *s, const char *text)
{
	return text ? strings_text(&s->texts, strings_add(&s->texts, text, strlen(text))) : NULL;
}

/* The name for people of a name that text_keep() has kept. */
static const char *name_for_people(struct symbols *s, const char *linkage)
{
	string_id id = strings_add(&s->texts, linkage, strlen(linkage));
	uint32_t *found = map_at(&s->demangled, id);

	if (*found == MAP_NONE) {
		char *plain = symbols_demangle(linkage);

		*found = strings_add(&s->texts, plain, strlen(plain));
		free(plain);
	}
	return strings_text(&s->texts, *found);
}

/* How much is known: frames with a name, and with a line. */
static size_t worth(const struct object_frames *f)
{
	size_t sum = 0;

	for (size_t i = 0; i < f->n; i++)
		sum += (f->at[i].function != NULL) + (f->at[i].line > 0);
	return sum;
}

/* Asks the bundle, the module's files, or both: what knows more. */
static void frames_find(struct symbols *s, struct module *m, uint64_t address, struct object_frames *ret)
{
	struct object_frames bundled = { .n = 0 };

	ret->n = 0;
	if (m->bundled != BUNDLE_NONE && bundle_find(s->bundle, m->bundled, address, &bundled) && !s->bundle_is_last) {
		*ret = bundled;
		return;
	}
	if (object_of(s, m))
		object_find(m->object, address, ret);
	if (worth(&bundled) > worth(ret))
		*ret = bundled;
}

static struct chain *chain_make(struct symbols *s, struct module *m, uint64_t address)
{
	struct object_frames frames;
	struct chain *c;

	frames_find(s, m, address, &frames);
	if (!frames.n)
		return (struct chain *)&unknown;
	c = arena_take(&s->arena, sizeof *c + frames.n * sizeof *c->at);
	c->n = frames.n;
	for (size_t i = 0; i < frames.n; i++) {
		struct symbol *to = &c->at[i];

		*to = frames.at[i];
		to->file = text_keep(s, to->file);
		to->linkage = text_keep(s, to->function);
		to->function = to->linkage ? name_for_people(s, to->linkage) : NULL;
	}
	return c;
}

size_t symbols_find(struct symbols *s, uint32_t number, uint64_t offset, bool exact, const struct symbol **ret)
{
	struct module *m = module_of(s, number);
	const struct chain *c = &unknown;

	if (m) {
		uint64_t address = exact || !offset ? offset : offset - 1;
		uint32_t *index = map_at(&m->chains, address);

		if (*index == MAP_NONE) {
			*index = (uint32_t)s->chains.n;
			*array_push(&s->chains) = chain_make(s, m, address);
		}
		c = s->chains.at[*index];
	}
	*ret = c->at;
	return c->n;
}

/* ---- bundles ---- */

const char *symbols_source(const struct symbols *s, const char *file, int line, bool *ret_changed)
{
	return s->bundle && line > 0 ? bundle_source(s->bundle, file, (uint32_t)line, ret_changed) : NULL;
}

void symbols_add_source(struct symbols *s, const char *file, int line, const char *text, bool changed)
{
	string_id id = strings_add(&s->texts, file, strlen(file));
	uint32_t *index = line > 0 ? map_at(&s->source_of, (uint64_t)id << 32 | (uint32_t)line) : NULL;

	if (!index || *index != MAP_NONE)
		return;
	*index = (uint32_t)s->sources.n;
	*array_push(&s->sources) = (struct source){ id, strings_add(&s->texts, text, strlen(text)), line, changed };
}

static void write_module(struct symbols *s, struct module *m, struct bundle_writer *w)
{
	if (!m->chains.n)
		return;
	bundle_writer_module(w, &m->m, kind_of(s, m));
	for (size_t i = 0; i < m->chains.cap; i++) {
		const struct map_entry *entry = &m->chains.at[i];
		const struct chain *c = entry->value == MAP_NONE ? NULL : s->chains.at[entry->value];

		if (c)
			bundle_writer_address(w, entry->key, c->at, c->n);
	}
}

size_t symbols_write(struct symbols *s, FILE *to)
{
	struct bundle_writer *w = bundle_writer_new();

	for (size_t i = 0; i < s->modules.n; i++)
		write_module(s, &s->modules.at[i], w);
	for (size_t i = 0; i < s->sources.n; i++) {
		const struct source *l = &s->sources.at[i];

		bundle_writer_source(w, strings_text(&s->texts, l->file), (uint32_t)l->line,
				     strings_text(&s->texts, l->text), l->changed);
	}
	return bundle_writer_finish(w, to);
}
