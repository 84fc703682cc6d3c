/* SPDX-License-Identifier: Apache-2.0 */
/* symbols: names for people, spans of addresses, bundles and what becomes of damaged ones, kinds by name */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/symbols/bundle.h"
#include "analyzer/symbols/spans.h"
#include "analyzer/symbols/symbols.h"
#include "formats/block.h"
#include "formats/event.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* ---- names ---- */

static void check_name(const char *linkage, const char *want)
{
	char *got = symbols_demangle(linkage);

	assert_string_equal(got, want);
	free(got);
}

static void plain_names(void **state)
{
	(void)state;
	check_name("malloc", "malloc");
	check_name("parse_list.constprop.0", "parse_list");
	check_name("new_dict.isra.0.cold", "new_dict");
	check_name("work.part.3.lto_priv.12", "work");
	check_name("clone", "clone");
	check_name(".cold", ".cold");
	check_name("cold.fish", "cold.fish");
	check_name("odd.colder", "odd.colder");
	check_name("", "");
}

#ifdef PT_WITH_LIBIBERTY
static void mangled_names(void **state)
{
	(void)state;
	check_name("_ZN5outer5inner3BoxIiE4fillEi", "outer::inner::Box<int>::fill");
	check_name("_ZN5outer5inner3BoxIiE4fillEi.constprop.0", "outer::inner::Box<int>::fill");
	check_name("_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJRKiEEEvN9__gnu_cxx17__normal_iteratorIPiS1_EEDpOT_",
		   "std::vector<int>::_M_realloc_insert<int const&>");
	check_name("_ZNSt3mapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt6vectorIiSaIiEESt4lessIS5_"
		   "ESaISt4pairIKS5_S8_EEEixEOS5_",
		   "std::map<std::string, std::vector<int>>::operator[]");
	check_name("_ZN12_GLOBAL__N_16hiddenEi", "(anonymous namespace)::hidden");
	check_name("_ZnwmSt11align_val_t", "operator new");
	/* Rust, its older way: the hash goes. */
	check_name("_ZN1r4shop13Cart$LT$T$GT$3add17hd8fd1ce801fe07edE", "r::shop::Cart<T>::add");
	check_name("_ZN38_$LT$u32$u20$as$u20$r..shop..Price$GT$5price17h41522a259329ba4fE",
		   "<u32 as r::shop::Price>::price");
	check_name("_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$8grow_one17h0123456789abcdefE",
		   "alloc::raw_vec::RawVec<T,A>::grow_one");
	/* Its newer one. */
	check_name("_RNvXs_NtCs2OpA4fNwd7R_1r4shopmNtB4_5Price5price", "<u32 as r::shop::Price>::price");
	check_name("_RNvMNtCs2OpA4fNwd7R_1r4shopINtB2_4CartNtNtCslNYArtu3iFV_5alloc6string6StringE3addB4_",
		   "<r::shop::Cart<alloc::string::String>>::add");
	/* What looks like it and is not stays. */
	check_name("_Z", "_Z");
	check_name("_ZN5outer", "_ZN5outer");
	check_name("_Regular_name", "_Regular_name");
}

/* No name may take long or much: a damaged file can hold any. */
static void hostile_names(void **state)
{
	char *name = mem_alloc(40000), *got;

	(void)state;
	for (size_t n = 1; n < 40000; n = n * 3 / 2 + 1) {
		memset(name, 'P', n);
		memcpy(name, "_ZN1xE", n < 6 ? n : 6);
		name[n - 1] = 0;
		got = symbols_demangle(name);
		assert_non_null(got);
		free(got);
	}
	for (unsigned seed = 1; seed < 2000; seed++) {
		const char letters[] = "_ZRNvSt3IiEKPJTLsabhmB0123_$.";
		unsigned x = seed * 2654435761U;
		size_t n = 3 + seed % 90;

		memcpy(name, seed & 1 ? "_Z" : "_R", 2);
		for (size_t i = 2; i < n; i++) {
			x = x * 1664525 + 1013904223;
			name[i] = letters[(x >> 16) % (sizeof letters - 1)];
		}
		name[n] = 0;
		free(symbols_demangle(name));
	}
	free(name);
}
#endif

/* ---- spans ---- */

static void spans(void **state)
{
	struct spans s = { 0 };

	(void)state;
	assert_int_equal(spans_find(&s, 5), SPANS_NONE);
	spans_push(&s, 100, 200, 1);
	spans_push(&s, 300, 400, 2);
	spans_push(&s, 120, 130, 3); /* within the first */
	spans_push(&s, 300, 300, 4); /* empty */
	spans_sort(&s);
	assert_int_equal(s.n, 3);
	assert_int_equal(spans_find(&s, 99), SPANS_NONE);
	assert_int_equal(spans_find(&s, 100), 1);
	assert_int_equal(spans_find(&s, 125), 3);
	assert_int_equal(spans_find(&s, 130), 1);
	assert_int_equal(spans_find(&s, 199), 1);
	assert_int_equal(spans_find(&s, 200), SPANS_NONE);
	assert_int_equal(spans_find(&s, 399), 2);
	assert_int_equal(spans_find(&s, UINT64_MAX), SPANS_NONE);
	array_free(&s);
}

/* ---- bundles ---- */

static const uint8_t id_a[20] = { 1, 2, 3 }, id_b[20] = { 9 };
static const struct symbols_module module_a = { "/usr/lib/liba.so.1", id_a, sizeof id_a, 0 };
static const struct symbols_module module_b = { "/opt/b.so", id_b, sizeof id_b, PT_MODULE_MAIN };
static const struct symbol frames_a[] = {
	{ .linkage = "inner", .file = "/src/a.c", .line = 12, .column = 7, .inlined = true },
	{ .linkage = "_ZN5outer5inner3BoxIiE4fillEi", .file = "/src/b.cc", .line = 40 },
};
static const struct symbol frames_b[] = { { .linkage = "main" } };

static void write_bundle(char *file)
{
	struct bundle_writer *w = bundle_writer_new();
	int fd = mkstemp(strcpy(file, "/tmp/test_symbols.XXXXXX"));
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	bundle_writer_module(w, &module_a, SYMBOLS_EXTENSION);
	bundle_writer_address(w, 0x2000, frames_b, 1);
	bundle_writer_address(w, 0x1000, frames_a, 2);
	bundle_writer_module(w, &module_b, SYMBOLS_PROGRAM);
	bundle_writer_address(w, 0x10, frames_b, 1);
	bundle_writer_source(w, "/src/b.cc", 40, "p = malloc(n);", true);
	bundle_writer_source(w, "/src/b.cc", 4, "first", false);
	bundle_writer_source(w, "/src/a.c", 12, "return;", false);
	assert_true(bundle_writer_finish(w, f) > 64);
	assert_false(fclose(f));
}

static void bundle_round_trip(void **state)
{
	struct object_frames got;
	char file[64], *warning;
	struct bundle *b;
	bool changed;
	int a, other;

	(void)state;
	write_bundle(file);
	b = bundle_open(file, &warning);
	assert_non_null(b);
	assert_null(warning);
	a = bundle_module(b, &module_a);
	other = bundle_module(b, &module_b);
	assert_true(a >= 0 && other >= 0 && a != other);
	assert_int_equal(bundle_module(b, &(struct symbols_module){ "/usr/lib/liba.so.1", id_b, 20, 0 }), BUNDLE_NONE);
	assert_int_equal(bundle_kind(b, a), SYMBOLS_EXTENSION);
	assert_true(bundle_find(b, a, 0x1000, &got));
	assert_int_equal(got.n, 2);
	assert_string_equal(got.at[0].function, "inner");
	assert_string_equal(got.at[0].file, "/src/a.c");
	assert_int_equal(got.at[0].line, 12);
	assert_int_equal(got.at[0].column, 7);
	assert_true(got.at[0].inlined && !got.at[1].inlined);
	assert_true(bundle_find(b, a, 0x2000, &got));
	assert_null(got.at[0].file);
	assert_true(bundle_has_lines(b, a));
	assert_false(bundle_has_lines(b, other));
	assert_false(bundle_find(b, a, 0x1001, &got));
	assert_false(bundle_find(b, a, 0x10, &got));
	assert_true(bundle_find(b, other, 0x10, &got));
	assert_string_equal(bundle_source(b, "/src/b.cc", 40, &changed), "p = malloc(n);");
	assert_true(changed);
	assert_string_equal(bundle_source(b, "/src/a.c", 12, &changed), "return;");
	assert_false(changed);
	assert_null(bundle_source(b, "/src/a.c", 13, &changed));
	bundle_close(b);
	unlink(file);
}

/* Through symbols.h: what the bundle says holds where there are no files. */
static void bundle_instead_of_files(void **state)
{
	const struct symbol *at;
	struct symbols *s;
	char file[64];

	(void)state;
	write_bundle(file);
	s = symbols_new(&(struct symbols_options){ .bundle = file, .offline = true });
	symbols_add_module(s, 3, &module_a);
	assert_int_equal(symbols_module_kind(s, 3), SYMBOLS_EXTENSION);
	assert_int_equal(symbols_find(s, 3, 0x1001, false, &at), 2);
	assert_string_equal(at[1].linkage, "_ZN5outer5inner3BoxIiE4fillEi");
#ifdef PT_WITH_LIBIBERTY
	assert_string_equal(at[1].function, "outer::inner::Box<int>::fill");
#endif
	assert_int_equal(symbols_find(s, 3, 0x1001, true, &at), 1);
	assert_null(at->function);
	assert_int_equal(symbols_find(s, 99, 0x1001, false, &at), 1);
	assert_null(at->function);
	assert_null(symbols_warning(s, 0));
	symbols_free(s);
	unlink(file);
}

static size_t load(const char *file, uint8_t *to, size_t cap)
{
	FILE *f = fopen(file, "r");
	size_t n = fread(to, 1, cap, f);

	fclose(f);
	return n;
}

static void save(const char *file, const uint8_t *data, size_t n)
{
	FILE *f = fopen(file, "w");

	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_false(fclose(f));
}

/* Asks a bundle for all, whatever it holds. */
static void ask_all(struct bundle *b)
{
	struct object_frames got;
	bool changed;

	for (int m = 0; m < 2; m++) {
		got.n = 0;
		if (bundle_module(b, m ? &module_b : &module_a) != BUNDLE_NONE)
			bundle_find(b, m, 0x1000, &got);
		for (size_t i = 0; i < got.n; i++)
			assert_true(!got.at[i].function || strlen(got.at[i].function) < 100000);
	}
	bundle_source(b, "/src/b.cc", 40, &changed);
}

/* A byte or the end of the file changed: refused, with one sentence. */
static void bundle_damaged(void **state)
{
	uint8_t good[4096], bad[4096];
	char file[64], *warning;
	size_t n;

	(void)state;
	write_bundle(file);
	n = load(file, good, sizeof good);
	for (size_t i = 0; i < n + n / 2; i++) {
		size_t cut = i < n ? n : i - n;

		memcpy(bad, good, n);
		if (i < n && i < 48)
			bad[i] ^= 0x40;
		else if (i >= 64 && i < n)
			bad[i] ^= 0x40;
		else if (i < n)
			continue; /* 48 to 63: not in use */
		save(file, bad, cut);
		assert_null(bundle_open(file, &warning));
		assert_non_null(warning);
		free(warning);
	}
	unlink(file);
	assert_null(bundle_open(file, &warning));
	assert_null(warning);
}

/* Wrong numbers under right checksums: refused, or answered within bounds. */
static void bundle_hostile(void **state)
{
	uint8_t file_bytes[4096], raw[8192], packed[8192];
	uint64_t raw_bytes, stored;
	char file[64], *warning;
	size_t refused = 0;

	(void)state;
	write_bundle(file);
	stored = load(file, file_bytes, sizeof file_bytes) - 64;
	memcpy(&raw_bytes, file_bytes + 16, 8);
	for (size_t at = 0; at < raw_bytes; at++) {
		uint64_t sum;
		struct bundle *b;

		assert_int_equal(ZSTD_decompress(raw, sizeof raw, file_bytes + 64, stored), raw_bytes);
		raw[at] = at % 3 ? 0xff : raw[at] + 1;
		memcpy(packed, file_bytes, 64);
		sum = ZSTD_compress(packed + 64, sizeof packed - 64, raw, raw_bytes, 1);
		memcpy(packed + 24, &sum, 8);
		sum = pt_xxh3(packed + 64, sum);
		memcpy(packed + 32, &sum, 8);
		sum = pt_xxh3(packed, 40);
		memcpy(packed + 40, &sum, 8);
		memcpy(&sum, packed + 24, 8);
		save(file, packed, 64 + sum);
		b = bundle_open(file, &warning);
		refused += !b;
		if (b)
			ask_all(b);
		bundle_close(b);
		free(warning);
	}
	assert_true(refused > 60);
	unlink(file);
}

/* ---- kinds ---- */

static void kinds_by_name(void **state)
{
	static const struct {
		const char *path;
		unsigned flags;
		enum symbols_kind kind;
	} cases[] = {
		{ "/nowhere/libc.so.6", 0, SYMBOLS_SYSTEM },
		{ "/nowhere/ld-linux-x86-64.so.2", 0, SYMBOLS_SYSTEM },
		{ "/nowhere/libstdc++.so.6.0.30", 0, SYMBOLS_SYSTEM },
		{ "/nowhere/libjemalloc.so.2", 0, SYMBOLS_SYSTEM },
		{ "/nowhere/libcurl.so.4", 0, SYMBOLS_OTHER },
		{ "/nowhere/libpython3.12.so.1.0", 0, SYMBOLS_INTERPRETER },
		{ "/nowhere/python3.11", PT_MODULE_MAIN, SYMBOLS_INTERPRETER },
		{ "/nowhere/uwsgi", PT_MODULE_MAIN, SYMBOLS_PROGRAM },
		{ "/nowhere/uwsgi", PT_MODULE_MAIN | PT_MODULE_PYTHON, SYMBOLS_INTERPRETER },
		{ "/nowhere/_json.cpython-312-x86_64-linux-gnu.so", 0, SYMBOLS_EXTENSION },
		{ "/nowhere/_rust.abi3.so", 0, SYMBOLS_EXTENSION },
		{ "[vdso]", PT_MODULE_VDSO, SYMBOLS_VDSO },
	};
	struct symbols *s = symbols_new(&(struct symbols_options){ .offline = true });

	(void)state;
	assert_int_equal(symbols_module_kind(s, 0), SYMBOLS_NO_MODULE);
	assert_string_equal(symbols_module_name(s, 5), "?");
	for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		symbols_add_module(s, i + 1, &(struct symbols_module){ cases[i].path, NULL, 0, cases[i].flags });
		assert_int_equal(symbols_module_kind(s, i + 1), cases[i].kind);
		assert_string_equal(symbols_module_path(s, i + 1), cases[i].path);
	}
	assert_string_equal(symbols_module_name(s, 1), "libc.so.6");
	assert_string_equal(symbols_kind_name(SYMBOLS_EXTENSION), "extension");
	symbols_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names),
#ifdef PT_WITH_LIBIBERTY
		cmocka_unit_test(mangled_names),
		cmocka_unit_test(hostile_names),
#endif
		cmocka_unit_test(spans),
		cmocka_unit_test(bundle_round_trip),
		cmocka_unit_test(bundle_instead_of_files),
		cmocka_unit_test(bundle_damaged),
		cmocka_unit_test(bundle_hostile),
		cmocka_unit_test(kinds_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
