/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_bench FILE OBJECTS: a synthetic snapshot of so many objects and one and a half times as many edges; how long
 * loading it and each algorithm take, and the memory that they need. One JSON object on stdout.
 *
 * The heap: a module's list of records; each an instance with a dict (shared keys), a list that leads back to it, small
 * leaves, and references to two other records far away. One object in a hundred is garbage: pairs that refer to each
 * other. All answers are known: a wrong one ends the program with status 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analyzer/heap/components.h"
#include "analyzer/heap/dominators.h"
#include "analyzer/heap/paths.h"
#include "tests/synth/snap.h"

enum { PER_RECORD = 10, BYTES = 64, RECORD_BYTES = PER_RECORD * BYTES };
#define BASE    UINT64_C(0x7f0000000000)
#define MODULES (BASE - 0x10000)
#define MODULE  (BASE - 0xf000)
#define GLOBALS (BASE - 0xe000)
#define RECORDS (BASE - 0xd000)
#define KEY(i)  (BASE - 0xc000 + (i)*64u)
#define GARBAGE (BASE + (UINT64_C(1) << 40))

struct types {
	uint32_t dict, list, str, number, module, record, node;
};

/* ---- writing ---- */

/* Where record i is: neighbours in the list are far from each other. */
static uint64_t place(uint64_t i, uint64_t n) { return BASE + (i * 7919 % n) * RECORD_BYTES; }

static struct types write_types(struct snap *p)
{
	const uint32_t gc = PT_TYPE_GC | PT_TYPE_TRAVERSE | PT_TYPE_CLEAR;

	return (struct types){
		snap_type(p, BASE - 0x20000, gc, 48, 0, 16, "dict"),
		snap_type(p, BASE - 0x20200, gc, 40, 0, 16, "list"),
		snap_type(p, BASE - 0x20400, 0, 40, 1, 0, "str"),
		snap_type(p, BASE - 0x20600, 0, 24, 0, 0, "float"),
		snap_type(p, BASE - 0x20800, gc, 56, 0, 16, "module"),
		snap_type(p, BASE - 0x20a00, gc | PT_TYPE_PYTHON | PT_TYPE_HEAP, 48, 0, 16, "app.Record"),
		snap_type(p, BASE - 0x20c00, gc | PT_TYPE_PYTHON | PT_TYPE_HEAP, 48, 0, 16, "app.Node"),
	};
}

static void write_top(struct snap *p, const struct types *t, uint64_t n)
{
	snap_root(p, PT_ROOT_INTERPRETER, "modules", NULL, 0);
	snap_named(p, MODULES, "modules", 0);
	snap_object(p, PT_EDGES_PAIRS | PT_OBJECT_TRACKED, MODULES, t->dict, 1, BYTES);
	snap_edge(p, KEY(0));
	snap_edge(p, MODULE);
	snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, MODULE, t->module, 1, BYTES);
	snap_named(p, GLOBALS, "__dict__", 0);
	snap_object(p, PT_EDGES_PAIRS | PT_OBJECT_TRACKED, GLOBALS, t->dict, 1, BYTES);
	snap_edge(p, KEY(1));
	snap_edge(p, RECORDS);
	snap_object(p, PT_EDGES_INDEXED | PT_OBJECT_TRACKED, RECORDS, t->list, 1, BYTES);
	for (uint64_t i = 0; i < n; i++)
		snap_edge(p, place(i, n));
	for (unsigned i = 0; i < 4; i++) {
		static const char *const names[] = { "app", "records", "left", "right" };

		snap_object(p, PT_OBJECT_INTERNED, KEY(i), t->str, i < 2 ? 1 : n, BYTES);
		snap_text(p, KEY(i), names[i]);
	}
}

static void write_record(struct snap *p, const struct types *t, uint64_t i, uint64_t n)
{
	uint64_t at = place(i, n);

	snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, at, t->record, 4, BYTES);
	snap_named(p, at + 1 * BYTES, "name", 0);
	snap_named(p, at + 2 * BYTES, "values", 0);
	snap_named(p, at + 3 * BYTES, "series", 0);
	snap_named(p, at + 4 * BYTES, "size", 0);
	snap_named(p, place((i * 104729 + 17) % n, n), "next", 0);
	snap_named(p, place((i * 1299709 + 5) % n, n), "other", 0);
	snap_object(p, PT_EDGES_PLAIN, at + 1 * BYTES, t->str, 1, BYTES);
	snap_object(p, PT_EDGES_PAIRS | PT_OBJECT_TRACKED, at + 2 * BYTES, t->dict, 1, BYTES);
	snap_edge(p, KEY(2));
	snap_edge(p, at + 5 * BYTES);
	snap_edge(p, KEY(3));
	snap_edge(p, at + 6 * BYTES);
	snap_object(p, PT_EDGES_INDEXED | PT_OBJECT_TRACKED, at + 3 * BYTES, t->list, 1, BYTES);
	snap_edge(p, at);
	for (unsigned k = 7; k < 10; k++)
		snap_edge(p, at + k * BYTES);
	for (unsigned k = 4; k < 10; k++)
		snap_object(p, PT_EDGES_PLAIN, at + k * BYTES, t->number, 1, BYTES);
}

static void write_pair(struct snap *p, const struct types *t, uint64_t i)
{
	for (unsigned k = 0; k < 2; k++) {
		snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, GARBAGE + (2 * i + k) * BYTES, t->node, 1, BYTES);
		snap_named(p, GARBAGE + (2 * i + !k) * BYTES, "peer", 0);
	}
}

static void write_trace(const char *file, uint64_t n_records, uint64_t n_pairs)
{
	struct synth *s = synth_new();
	struct snap *p;
	struct types t;

	s->zip = true;
	p = snap_new(s, 1, 1000);
	snap_fact(p, "reason", PT_SNAPSHOT_EXIT);
	t = write_types(p);
	write_top(p, &t, n_records);
	for (uint64_t i = 0; i < n_records; i++)
		write_record(p, &t, i, n_records);
	for (uint64_t i = 0; i < n_pairs; i++)
		write_pair(p, &t, i);
	snap_end(p);
	synth_end(s);
	synth_write(s, file);
	synth_free_all(s);
}

/* ---- reading ---- */

static double clock_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double started, started_cpu, base_bytes, all_s, all_cpu_s;

static void start(void)
{
	started = clock_s(CLOCK_MONOTONIC);
	started_cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

static double peak_bytes(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)use.ru_maxrss * 1024 - base_bytes;
}

/* cpu: of all threads: what it would take alone on one processor. */
static void report(const char *what, uint64_t n)
{
	double now = clock_s(CLOCK_MONOTONIC) - started, cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - started_cpu;

	all_s += now;
	all_cpu_s += cpu;
	printf(", \"%s\": {\"s\": %.3f, \"cpu_s\": %.3f, \"peak_bytes_an_object\": %.1f}", what, now, cpu,
	       peak_bytes() / (double)n);
	start();
}

static void expect(const char *what, uint64_t got, uint64_t wanted)
{
	if (got == wanted)
		return;
	fprintf(stderr, "heap_bench: %s: %" PRIu64 ", not %" PRIu64 "\n", what, got, wanted);
	exit(1);
}

static void look_at_garbage(const struct heap *h, struct garbage *g, uint64_t n_pairs)
{
	struct groups groups;

	garbage_find(g, h, NULL);
	report("garbage", h->n);
	expect("garbage", g->n[GARBAGE_COLLECTABLE], 2 * n_pairs);
	expect("uncollectable", g->n[GARBAGE_UNCOLLECTABLE], 0);
	groups_of_garbage(&groups, h, g, NULL);
	report("groups", h->n);
	expect("groups", groups.at.n, n_pairs);
	expect("shapes", groups.rows.n, n_pairs ? 1 : 0);
	expect("cut", n_pairs ? groups.at.at[0].cut_bytes : 2 * BYTES, 2 * BYTES);
	groups_free(&groups);
	start();
}

static void look_at_sizes(const struct heap *h, const int32_t *surplus, uint64_t n_records)
{
	struct dominators d;
	uint64_t *by_type = mem_zero(h->types.n, sizeof *by_type);

	dominators_find(&d, h, NULL, surplus);
	report("dominators", h->n);
	expect("a record", d.retained[heap_find(h, place(3, n_records))], RECORD_BYTES);
	expect("all records", d.retained[heap_find(h, RECORDS)], n_records * RECORD_BYTES + 3 * BYTES);
	dominators_retained_by(&d, h->type, (uint32_t)h->types.n, by_type);
	report("retained_by_type", h->n);
	expect("lists", by_type[2], n_records * RECORD_BYTES + 3 * BYTES);
	dominators_free(&d);
	free(by_type);
	start();
}

static void look_at_paths(const struct heap *h, const int32_t *surplus, uint64_t n_records)
{
	struct path chains[8];
	struct paths p;
	uint32_t n;

	paths_find(&p, h, surplus);
	report("paths", h->n);
	expect("path", paths_length(&p, heap_find(h, place(7, n_records) + 9 * BYTES)), 6);
	n = paths_disjoint(&p, heap_find(h, place(7, n_records)), 8, chains);
	report("disjoint", h->n);
	expect("disjoint chains", n, 3); /* they all lead over the list: from it, or from two other records */
	while (n)
		path_free(&chains[--n]);
	paths_free(&p);
}

static void read_trace(const char *file, uint64_t n_records, uint64_t n_pairs)
{
	struct snapshots list;
	struct garbage g;
	struct fault fault;
	struct trace t;
	struct heap h;

	if (trace_open(&t, file, &fault)) {
		fault_print(&fault, stderr);
		exit(1);
	}
	snapshots_list(&list, &t);
	base_bytes = 0;
	base_bytes = peak_bytes();
	start();
	heap_load(&h, &t, snapshots_find(&list, 0), 0);
	printf("{\"objects\": %" PRIu32 ", \"edges\": %" PRIu32 ", \"file_bytes\": %" PRIu64, h.n, h.n_edges,
	       t.file_bytes);
	report("load", h.n);
	expect("complete", h.complete, true);
	expect("objects", h.n, n_records * PER_RECORD + 2 * n_pairs + 8);
	look_at_garbage(&h, &g, n_pairs);
	look_at_sizes(&h, g.surplus, n_records);
	look_at_paths(&h, g.surplus, n_records);
	printf(", \"all\": {\"s\": %.3f, \"cpu_s\": %.3f, \"peak_bytes_an_object\": %.1f}}\n", all_s, all_cpu_s,
	       peak_bytes() / h.n);
	garbage_free(&g);
	heap_free(&h);
	snapshots_free(&list);
	trace_close(&t);
}

int main(int argc, char **argv)
{
	uint64_t n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0, n_records = n / 100 * 99 / PER_RECORD;
	int status;
	pid_t pid;

	if (n_records < 10 || n_records > UINT32_MAX / PER_RECORD / 2) {
		fputs("heap_bench FILE OBJECTS (1100 or more)\n", stderr);
		return 2;
	}
	while (n_records % 7919 == 0 || n_records % 104729 == 0 || n_records % 1299709 == 0)
		n_records--;
	pid = fork(); /* what writing takes does not count */
	if (!pid) {
		write_trace(argv[1], n_records, n / 200);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return 1;
	read_trace(argv[1], n_records, n / 200);
	return 0;
}
