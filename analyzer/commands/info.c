/* SPDX-License-Identifier: Apache-2.0 */
/* info: what a trace is of, and whether it is whole */
#include "analyzer/base/path.h"
#include "analyzer/report/report.h"
#include "analyzer/report/share.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LABELS_SHOWN 20 /* marks in text, and regions */

extern const struct command command_info;

/* ---- traces of children, beside this one ---- */

enum kinship { NO_KIN, FORKED, STARTED };

struct child {
	char *file;
	struct pt_front front;
	enum kinship kinship;
};

struct children {
	ARRAY(struct child) list;
};

static bool read_front(int dir, const char *name, struct pt_front *ret)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && read(fd, ret, sizeof *ret) == sizeof *ret &&
		  !memcmp(ret->magic, PT_FILE_MAGIC, sizeof ret->magic) && pt_front_is_valid(ret);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A child by fork names its parent's trace; one that was started anew only has the right parent process, at a time
 * when that was running. */
static enum kinship kinship_of(const struct trace *t, const struct pt_front *f)
{
	if (f->id == t->front.id)
		return NO_KIN;
	if (f->parent_id)
		return f->parent_id == t->front.id ? FORKED : NO_KIN;
	return f->ppid == t->front.pid && f->start_real_ns >= t->front.start_real_ns &&
			       f->start_real_ns <= t->front.start_real_ns + t->end_ns + 1000000000
		       ? STARTED
		       : NO_KIN;
}

static const char *extension(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot : "";
}

static int child_before(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->front.start_real_ns != y->front.start_real_ns)
		return x->front.start_real_ns < y->front.start_real_ns ? -1 : 1;
	return strcmp(x->file, y->file);
}

/* Looks at files of the same folder and extension. */
static void find_children(struct children *c, const struct trace *t)
{
	size_t dir_len = (size_t)(path_name(t->file) - t->file);
	char *folder = dir_len ? mem_text(t->file, dir_len) : mem_text(".", 1);
	DIR *dir = opendir(folder);
	struct child child;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (strcmp(extension(e->d_name), extension(t->file)) ||
		    !read_front(dirfd(dir), e->d_name, &child.front))
			continue;
		child.front.program[PT_PROGRAM_BYTES - 1] = 0;
		child.kinship = kinship_of(t, &child.front);
		if (child.kinship == NO_KIN)
			continue;
		child.file = mem_text(e->d_name, strlen(e->d_name));
		*array_push(&c->list) = child;
	}
	if (dir)
		closedir(dir);
	free(folder);
	if (c->list.n)
		qsort(c->list.at, c->list.n, sizeof *c->list.at, child_before);
}

static void free_children(struct children *c)
{
	for (size_t i = 0; i < c->list.n; i++)
		free(c->list.at[i].file);
	array_free(&c->list);
}

/* ---- facts ---- */

/* "2026-11-21T07:18:00.123456Z" */
static char *started_text(const struct trace *t, char *buf, size_t cap)
{
	time_t s = (time_t)(t->front.start_real_ns / 1000000000);
	struct tm tm;
	size_t len;

	if (!gmtime_r(&s, &tm) || !(len = strftime(buf, cap, "%Y-%m-%dT%H:%M:%S", &tm))) {
		*buf = 0;
		return buf;
	}
	snprintf(buf + len, cap - len, ".%06uZ", (unsigned)(t->front.start_real_ns / 1000 % 1000000));
	return buf;
}

/* The layers that the tracer says it recorded; failing that, those seen. */
static bool has_layer(const struct report_trace *t, unsigned layer)
{
	const char *list = defs_meta(&t->trace.defs, "layers", NULL), *name = pt_layer_name((enum pt_layer)layer);
	size_t len = name ? strlen(name) : 0;

	if (!name)
		return false;
	if (!list)
		return t->account.layers[layer].total.blocks != 0;
	for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',')
		if (strcspn(s, ",") == len && !memcmp(s, name, len))
			return true;
	return false;
}

/* ---- JSON ---- */

static json_t *argv_json(const struct trace *t)
{
	size_t len = 0;
	const char *argv = defs_meta(&t->defs, "argv", &len);
	json_t *list = json_array();

	for (size_t at = 0; argv && at < len; at += strlen(argv + at) + 1)
		json_add(list, json_text(argv + at));
	return list;
}

static json_t *process_json(const struct trace *t)
{
	json_t *o = json_object();

	json_put(o, "pid", json_bytes(t->front.pid));
	json_put(o, "ppid", json_bytes(t->front.ppid));
	json_put(o, "argv", argv_json(t));
	json_put(o, "program", json_text(t->front.program));
	json_put(o, "exe", json_text(defs_meta(&t->defs, "exe", NULL)));
	json_put(o, "cwd", json_text(defs_meta(&t->defs, "cwd", NULL)));
	json_put(o, "host", json_text(defs_meta(&t->defs, "host", NULL)));
	return o;
}

static json_t *python_json(const struct trace *t)
{
	const char *version = defs_meta(&t->defs, "python.version", NULL);
	const char *implementation = defs_meta(&t->defs, "python.implementation", NULL);
	json_t *o;

	if (!version && !implementation)
		return json_null();
	o = json_object();
	json_put(o, "implementation", json_text(implementation));
	json_put(o, "version", json_text(version));
	json_put(o, "free_threaded", json_boolean(defs_meta_is_true(&t->defs, "python.free_threaded")));
	json_put(o, "shared", json_boolean(defs_meta_is_true(&t->defs, "python.shared")));
	json_put(o, "debug", json_boolean(defs_meta_is_true(&t->defs, "python.debug")));
	json_put(o, "stacks_off", json_text(defs_meta(&t->defs, "python.stacks_off", NULL)));
	return o;
}

/* What frames the stacks are made of. The first entries of either table stand for what is not known. */
static size_t n_modules(const struct trace *t) { return t->defs.modules.at.n - (MODULE_UNKNOWN + 1); }
static bool has_python_frames(const struct trace *t) { return t->defs.codes.n > 1; }

static json_t *stacks_json(const struct trace *t)
{
	json_t *o = json_object();

	json_put(o, "python", json_boolean(has_python_frames(t)));
	json_put(o, "native", json_boolean(n_modules(t)));
	json_put(o, "modules", json_bytes(n_modules(t)));
	return o;
}

static json_t *events_json(const struct report_trace *t)
{
	static const char *const causes[PT_LOST_KINDS] = {
		[PT_LOST_BUSY] = "busy",
		[PT_LOST_MEMORY] = "memory",
		[PT_LOST_OUTPUT] = "output",
		[PT_LOST_UNKNOWN] = "unknown",
	};
	const struct replay_counts *c = &t->account.counts;
	json_t *o = json_object(), *by_cause = json_object();

	for (int i = 0; i < PT_LOST_KINDS; i++)
		if (causes[i])
			json_put(by_cause, causes[i], json_bytes(t->trace.front.x_lost[i]));
	json_put(o, "recorded", json_bytes(c->events));
	json_put(o, "lost", json_bytes(t->trace.lost_events));
	json_put(o, "lost_by_cause", by_cause);
	json_put(o, "allocations", json_bytes(c->allocations));
	json_put(o, "frees", json_bytes(c->frees));
	json_put(o, "unknown_frees", json_bytes(c->unknown_frees));
	json_put(o, "stopped_frees", json_bytes(c->stopped_frees));
	json_put(o, "lost_frees", json_bytes(c->lost_frees));
	json_put(o, "unmatched_moves", json_bytes(c->unmatched_moves));
	json_put(o, "unknown_events", json_bytes(c->unknown_events));
	return o;
}

static json_t *inherited_json(const struct report_trace *t)
{
	const struct replay_counts *c = &t->account.counts;
	json_t *o;

	if (!t->trace.front.parent_id)
		return json_null();
	o = json_object();
	json_put(o, "parent", json_text(t->trace.front.parent_file));
	json_put(o, "found", json_boolean(!c->parent_missing));
	json_put(o, "blocks", json_bytes(c->inherited_blocks));
	json_put(o, "bytes", json_bytes(c->inherited_bytes));
	json_put(o, "freed", json_bytes(c->inherited_freed));
	return o;
}

static json_t *threads_json(const struct trace *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->threads.n; i++) {
		const struct trace_thread *th = &t->threads.at[i];
		json_t *o = json_object();

		json_put(o, "number", json_bytes(th->number));
		json_put(o, "tid", th->tid ? json_bytes(th->tid) : json_null());
		json_put(o, "name", th->name ? json_text(strings_text(&t->defs.strings, th->name)) : json_null());
		json_put(o, "events", json_bytes(th->n_events));
		json_put(o, "first_s", json_seconds(th->first_ns));
		json_put(o, "last_s", json_seconds(th->last_ns));
		json_add(list, o);
	}
	return list;
}

/* Null: nothing was to be watched. */
static json_t *watch_json(const struct trace *t)
{
	json_t *o;

	if (!defs_meta(&t->defs, "watch", NULL))
		return json_null();
	o = json_object();
	json_put(o, "rules", json_text(defs_meta(&t->defs, "watch", NULL)));
	json_put(o, "means", json_text(defs_meta(&t->defs, "watch.means", NULL)));
	json_put(o, "off", json_text(defs_meta(&t->defs, "watch.off", NULL)));
	return o;
}

static json_t *marks_json(const struct account *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->marks.n; i++) {
		json_t *o = json_object();

		json_put(o, "label", json_text(a->marks.at[i].label));
		json_put(o, "t_s", json_seconds(a->marks.at[i].ns));
		json_put(o, "live_bytes", json_bytes(a->marks.at[i].live.bytes));
		json_add(list, o);
	}
	return list;
}

static json_t *regions_json(const struct account *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->regions.n; i++) {
		json_t *o = json_object();

		json_put(o, "label", json_text(a->regions.at[i].label));
		json_put(o, "times", json_bytes(a->regions.at[i].times));
		json_add(list, o);
	}
	return list;
}

static json_t *children_json(const struct children *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->list.n; i++) {
		const struct child *child = &c->list.at[i];
		json_t *o = json_object();

		json_put(o, "file", json_text(child->file));
		json_put(o, "pid", json_bytes(child->front.pid));
		json_put(o, "program", json_text(child->front.program));
		json_put(o, "how", json_text(child->kinship == FORKED ? "fork" : "exec"));
		json_add(list, o);
	}
	return list;
}

/* The exit status as Python's subprocess tells it: a signal is a negative number. Null while there is none. */
static json_t *status_json(const struct trace *t)
{
	const char *ended = trace_ended(t);

	if (!strcmp(ended, "exit"))
		return json_integer(t->front.x_exit_status);
	if (!strcmp(ended, "signal"))
		return json_integer(-(json_int_t)t->front.x_exit_status);
	return json_null();
}

static json_t *layers_json(const struct report_trace *t)
{
	json_t *list = json_array();

	for (unsigned layer = 0; layer < PT_LAYERS; layer++)
		if (has_layer(t, layer))
			json_add(list, json_text(pt_layer_name((enum pt_layer)layer)));
	return list;
}

static const char *allocator_order(const struct trace *t)
{
	const char *order = defs_meta(&t->defs, "allocator.order", NULL);

	return order ? order : "behind";
}

static json_t *allocator_json(const struct trace *t)
{
	json_t *o = json_object();

	json_put(o, "name", json_text(report_allocator(t)));
	json_put(o, "order", json_text(allocator_order(t)));
	return o;
}

static void put_trace(json_t *o, const struct report_trace *t, const void *options)
{
	const struct trace *tr = &t->trace;
	struct children children = { 0 };
	char started[64];

	(void)options;
	find_children(&children, tr);
	json_put(o, "process", process_json(tr));
	json_put(o, "python", python_json(tr));
	json_put(o, "started", json_text(started_text(tr, started, sizeof started)));
	json_put(o, "duration_s", json_seconds(tr->end_ns));
	json_put(o, "recorded", recorded_json(&t->spans));
	json_put(o, "ended", json_text(trace_ended(tr)));
	json_put(o, "exit_status", status_json(tr));
	json_put(o, "complete", json_boolean(trace_is_complete(tr)));
	json_put(o, "events", events_json(t));
	json_put(o, "layers", layers_json(t));
	json_put(o, "stacks", stacks_json(tr));
	json_put(o, "types", share_json(t));
	json_put(o, "allocator", allocator_json(tr));
	json_put(o, "file_bytes", json_bytes(tr->file_bytes));
	json_put(o, "watch", watch_json(&t->trace));
	json_put(o, "marks", marks_json(&t->account));
	json_put(o, "regions", regions_json(&t->account));
	json_put(o, "snapshots", moments_snapshots_json(&t->moments));
	json_put(o, "collections", moments_collections_json(&t->moments));
	json_put(o, "children", children_json(&children));
	json_put(o, "threads", threads_json(tr));
	json_put(o, "inherited", inherited_json(t));
	json_put(o, "damaged_blocks", json_bytes(tr->n_damaged));
	json_put(o, "mode", json_text(defs_meta(&tr->defs, "mode", NULL)));
	json_put(o, "tracer_version", json_text(defs_meta(&tr->defs, "libpytrace.version", NULL)));
	free_children(&children);
}

/* ---- text ---- */

enum { LABEL_WIDTH = 12 };

struct printer {
	struct report *r;
	unsigned n; /* sentences printed */
};

static void print_fact(struct report *r, const char *label, const char *text)
{
	fprintf(r->out.file, "%s%-*s%s", output_style(&r->out, STYLE_FAINT), LABEL_WIDTH, label,
		output_style(&r->out, STYLE_PLAIN));
	format_wrapped(r->out.file, text, LABEL_WIDTH, LABEL_WIDTH, 80);
}

static void print_command_line(struct report *r, const struct trace *t)
{
	size_t len = 0, used = 0;
	const char *argv = defs_meta(&t->defs, "argv", &len);
	char line[1000] = "", safe[1000];

	for (size_t at = 0; argv && at < len && used < sizeof line; at += strlen(argv + at) + 1)
		used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", used ? " " : "", argv + at);
	if (used)
		print_fact(r, "command", format_printable(safe, sizeof safe, line));
}

static void print_python(struct report *r, const struct trace *t)
{
	const char *version = defs_meta(&t->defs, "python.version", NULL);
	const char *implementation = defs_meta(&t->defs, "python.implementation", NULL);
	char line[400], safe[400];

	if (!version && !implementation) {
		print_fact(r, "python", "none seen");
		return;
	}
	snprintf(line, sizeof line, "%.40s%s%.*s%s%s%s", implementation ? implementation : "Python", version ? " " : "",
		 version ? (int)strcspn(version, " ") : 0, version ? version : "",
		 !defs_meta(&t->defs, "python.hexversion", NULL) ? ""
		 : defs_meta_is_true(&t->defs, "python.shared")  ? ", shared library"
								 : ", static",
		 defs_meta_is_true(&t->defs, "python.free_threaded") ? ", free-threaded" : "",
		 defs_meta_is_true(&t->defs, "python.debug") ? ", debug build" : "");
	print_fact(r, "python", format_printable(safe, sizeof safe, line));
}

static void print_times(struct report *r, const struct report_trace *t)
{
	char line[300], started[64], ended[120], recorded[120];

	if (!t->spans.is_whole)
		snprintf(line, sizeof line, "%s, recorded %s", started_text(&t->trace, started, sizeof started),
			 recorded_text(&t->spans, recorded, sizeof recorded));
	else
		snprintf(line, sizeof line, "%s, recorded for %s", started_text(&t->trace, started, sizeof started),
			 format_seconds(trace_duration_s(&t->trace)).text);
	print_fact(r, "started", line);
	print_fact(r, "ended", report_ended(t, ended, sizeof ended));
}

static void print_events(struct report *r, const struct report_trace *t)
{
	const struct replay_counts *c = &t->account.counts;
	char line[400];

	snprintf(line, sizeof line, "%s recorded, %s lost; %s allocations, %s frees (%s of blocks not seen being made)",
		 format_count(c->events).text, format_count(t->trace.lost_events).text,
		 format_count(c->allocations).text, format_count(c->frees).text, format_count(c->unknown_frees).text);
	print_fact(r, "events", line);
	snprintf(line, sizeof line, "%s, %.2f bytes an event", format_bytes(t->trace.file_bytes).text,
		 c->events ? (double)t->trace.file_bytes / (double)c->events : 0.0);
	print_fact(r, "file", line);
}

static void print_stacks(struct report *r, const struct trace *t)
{
	char line[100];

	if (n_modules(t))
		snprintf(line, sizeof line, "%s, of %s",
			 has_python_frames(t) ? "Python and native frames" : "native frames",
			 format_plural(n_modules(t), "module", "modules").text);
	else
		snprintf(line, sizeof line, "%s", has_python_frames(t) ? "Python frames" : "none");
	print_fact(r, "stacks", line);
}

static void print_types(struct report *r, const struct report_trace *t)
{
	char line[1000];

	if (share_text(t, line, sizeof line))
		print_fact(r, "types", line);
	if (*share_holes_text(t, line, sizeof line))
		print_fact(r, "lives", line);
}

static const char *watch_means(const struct report_trace *t)
{
	const char *means = defs_meta(&t->trace.defs, "watch.means", NULL);

	if (means && !strcmp(means, "hardware"))
		return ", by breakpoints of the processor";
	return means && !strcmp(means, "pages") ? ", by pages of their own" : "";
}

static void print_watch(struct report *r, const struct report_trace *t)
{
	const char *rules = defs_meta(&t->trace.defs, "watch", NULL),
		   *off = defs_meta(&t->trace.defs, "watch.off", NULL);
	char line[2000], safe[1000];

	if (!rules)
		return;
	snprintf(line, sizeof line, "%s%s%s%s", *rules ? "counts of " : "counts of what libpytrace.watch() was given",
		 rules, watch_means(t), off && *off ? "; " : "");
	snprintf(line + strlen(line), sizeof line - strlen(line), "%s", off ? off : "");
	print_fact(r, "watched", format_printable(safe, sizeof safe, line));
}

static void print_moments(struct report *r, const struct report_trace *t)
{
	char line[600];

	if (*moments_snapshots_text(&t->moments, line, sizeof line))
		print_fact(r, "snapshots", line);
	if (*moments_collections_text(&t->moments, line, sizeof line))
		print_fact(r, "collector", line);
}

static void print_layers(struct report *r, const struct report_trace *t)
{
	char line[300] = "";
	size_t used = 0;

	for (unsigned layer = 0; layer < PT_LAYERS && used < sizeof line; layer++)
		if (has_layer(t, layer))
			used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", used ? ", " : "",
						 pt_layer_name((enum pt_layer)layer));
	print_fact(r, "layers", used ? line : "none");
	print_stacks(r, &t->trace);
	print_types(r, t);
	print_watch(r, t);
	snprintf(line, sizeof line, "%s at %s, %s at the end", format_bytes(t->account.at[ACCOUNT_PEAK].bytes).text,
		 format_seconds((double)t->account.at_ns[ACCOUNT_PEAK] / 1e9).text,
		 format_bytes(t->account.at[ACCOUNT_END].bytes).text);
	print_fact(r, "peak", line);
	snprintf(line, sizeof line, "%zu", t->trace.threads.n);
	print_fact(r, "threads", line);
}

/* libc's is not worth a line. */
static void print_allocator(struct report *r, const struct trace *t)
{
	const char *name = report_allocator(t), *order = allocator_order(t);
	char line[400], safe[200];

	if (!strcmp(name, "libc"))
		return;
	format_printable(safe, sizeof safe, name);
	if (!strcmp(order, "inside"))
		snprintf(line, sizeof line,
			 "linked into the program, whose own calls of malloc are not seen; those of libraries and of "
			 "Python's allocators are");
	else
		snprintf(line, sizeof line, "%s%s", safe,
			 strcmp(order, "redirected") ? ""
						     : ", which stands before libpytrace.so: calls were redirected");
	print_fact(r, "allocator", line);
}

static void print_inherited(struct report *r, const struct report_trace *t)
{
	const struct replay_counts *c = &t->account.counts;
	char line[600], safe[300];

	if (!t->trace.front.parent_id)
		return;
	format_printable(safe, sizeof safe, t->trace.front.parent_file);
	if (c->parent_missing)
		snprintf(line, sizeof line, "forked by the process of %s, which is not here", safe);
	else
		snprintf(line, sizeof line, "forked by the process of %s; it inherited %s in %s and freed %s of them",
			 safe, format_bytes(c->inherited_bytes).text,
			 format_plural(c->inherited_blocks, "block", "blocks").text,
			 format_count(c->inherited_freed).text);
	print_fact(r, "parent", line);
}

static void print_children(struct report *r, const struct trace *t)
{
	struct children c = { 0 };
	char line[700], safe[300], file[300];

	find_children(&c, t);
	for (size_t i = 0; i < c.list.n; i++) {
		const struct child *child = &c.list.at[i];

		snprintf(line, sizeof line, "%s (pid %" PRIu32 ", %s, by %s)",
			 format_printable(file, sizeof file, child->file), child->front.pid,
			 format_printable(safe, sizeof safe, child->front.program),
			 child->kinship == FORKED ? "fork" : "exec");
		print_fact(r, i ? "" : "children", line);
	}
	free_children(&c);
}

static void print_sentence(const char *sentence, void *arg)
{
	struct printer *p = arg;
	char safe[1000];

	p->n++;
	print_fact(p->r, "", format_printable(safe, sizeof safe, sentence));
}

static void print_more(struct report *r, size_t n)
{
	char line[100];

	if (n <= LABELS_SHOWN)
		return;
	snprintf(line, sizeof line, "and %s (--json has them all)",
		 format_plural(n - LABELS_SHOWN, "more", "more").text);
	print_fact(r, "", line);
}

static void print_marks(struct report *r, const struct account *a)
{
	char line[600], safe[400];

	for (size_t i = 0; i < a->marks.n && i < LABELS_SHOWN; i++) {
		snprintf(line, sizeof line, "%s at %s", format_printable(safe, sizeof safe, a->marks.at[i].label),
			 format_seconds((double)a->marks.at[i].ns / 1e9).text);
		print_fact(r, i ? "" : "marks", line);
	}
	print_more(r, a->marks.n);
}

static void print_regions(struct report *r, const struct account *a)
{
	char line[600], safe[400];

	for (size_t i = 0; i < a->regions.n && i < LABELS_SHOWN; i++) {
		snprintf(line, sizeof line, "%s, %s", format_printable(safe, sizeof safe, a->regions.at[i].label),
			 format_plural(a->regions.at[i].times, "time", "times").text);
		print_fact(r, i ? "" : "regions", line);
	}
	print_more(r, a->regions.n);
}

static void print_trace(struct report *r, const struct report_trace *t, const void *options)
{
	struct printer p = { r, 0 };
	char line[700], safe[300];

	(void)options;
	snprintf(line, sizeof line, "%s, pid %" PRIu32, format_printable(safe, sizeof safe, t->trace.front.program),
		 t->trace.front.pid);
	print_fact(r, "process", line);
	print_command_line(r, &t->trace);
	print_python(r, &t->trace);
	print_times(r, t);
	print_events(r, t);
	print_layers(r, t);
	print_moments(r, t);
	print_allocator(r, &t->trace);
	print_inherited(r, t);
	print_children(r, &t->trace);
	print_marks(r, &t->account);
	print_regions(r, &t->account);
	print_fact(r, "complete", trace_is_complete(&t->trace) ? "yes" : "no");
	if (!t->spans.is_whole && !t->spans.at.n)
		print_sentence(recorded_note(&t->spans, line, sizeof line), &p);
	report_missing(t, print_sentence, &p);
}

static int run(int argc, char **argv)
{
	char own;
	struct report r;
	int code = report_begin(&r, &command_info, &own, REPORT_TYPES | REPORT_MOMENTS, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (r.json)
		report_put_processes(&r, put_trace, NULL);
	else
		report_print_processes(&r, print_trace, NULL);
	return report_end(&r);
}

static const struct option_example examples[] = {
	{ "info app.71.pytrace", "process, Python, times, events, and whether the trace is complete" },
	{ "info --json --require-complete app.71.pytrace", "for scripts: exit code 4 when something is missing" },
	{ 0 },
};

const struct command command_info = {
	.page = {
		.name = "info",
		.summary = "what a trace is of, and whether it is complete",
		.operands = "TRACE...",
		.details = "Reads all of the trace, so that `complete: yes` means: every event that the program made was "
			   "recorded, is there and could be decoded.",
		.examples = examples,
		.groups = OPTIONS_REPORT,
	},
	.run = run,
};
