/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/trace.h"
#include "analyzer/read/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIN_HEADER_BYTES = sizeof(struct pt_front), MAX_HEADER_BYTES = 65520 };

/* Times beyond this (a hundred years) are damage. */
#define MAX_NS (UINT64_C(100) * 366 * 86400 * 1000000000)

/* ---- opening ---- */

/* Maps the file as it is now; called again when it has grown. Pointers into the old mapping die. */
static int map_file(struct trace *t, int fd, struct fault *ret_fault)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return fault_set(ret_fault, FAULT_IO, t->file, FAULT_NOWHERE, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fault_set(ret_fault, FAULT_FORMAT, t->file, FAULT_NOWHERE, "is a directory");
	if (!S_ISREG(st.st_mode))
		return fault_set(ret_fault, FAULT_FORMAT, t->file, FAULT_NOWHERE, "is not a regular file");
	if (st.st_size == 0)
		return fault_set(ret_fault, FAULT_FORMAT, t->file, FAULT_NOWHERE, "is empty");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fault_set(ret_fault, FAULT_IO, t->file, FAULT_NOWHERE, "%s", strerror(errno));
	if (t->map)
		munmap((void *)t->map, t->file_bytes);
	t->map = map;
	t->file_bytes = (uint64_t)st.st_size;
	t->inode = st.st_ino;
	return 0;
}

static int refuse_flag(const struct trace *t, uint32_t unknown, struct fault *ret_fault)
{
	return fault_set(ret_fault, FAULT_VERSION, t->file, offsetof(struct pt_front, incompatible),
			 "was written by a later pytrace: incompatible flag %d is not known", __builtin_ctz(unknown));
}

/* A front page whose checksum is wrong costs the facts on it, not the trace. */
static int read_front(struct trace *t, struct fault *ret_fault)
{
	struct pt_front *f = &t->front;
	uint32_t unknown;

	if (t->file_bytes < sizeof f->magic || memcmp(t->map, PT_FILE_MAGIC, sizeof f->magic))
		return fault_set(ret_fault, FAULT_FORMAT, t->file, 0, "is not a pytrace trace");
	if (t->file_bytes < sizeof *f)
		return fault_set(ret_fault, FAULT_FORMAT, t->file, t->file_bytes, "is cut off in its first page");
	memcpy(f, t->map, sizeof *f);
	if (f->version > PT_VERSION)
		return fault_set(ret_fault, FAULT_VERSION, t->file, offsetof(struct pt_front, version),
				 "was written by a later pytrace: its format version is %d, this one reads up to %d",
				 f->version, PT_VERSION);
	t->front_is_sound = pt_front_is_valid(f);
	unknown = f->incompatible & ~PT_KNOWN_INCOMPATIBLE;
	if (t->front_is_sound && unknown)
		return refuse_flag(t, unknown, ret_fault);
	if (!t->front_is_sound)
		trace_trouble(t, 0, "the first page is damaged: process id, program and start time may be wrong");
	f->program[sizeof f->program - 1] = 0;
	f->parent_file[sizeof f->parent_file - 1] = 0;
	if (!t->front_is_sound || f->header_bytes < MIN_HEADER_BYTES || f->header_bytes > MAX_HEADER_BYTES ||
	    f->header_bytes % PT_BLOCK_ALIGN)
		f->header_bytes = PT_FRONT_BYTES;
	for (int i = 0; i < PT_LOST_KINDS; i++)
		if (__builtin_add_overflow(t->lost_events, f->x_lost[i], &t->lost_events))
			t->lost_events = UINT64_MAX;
	return 0;
}

/* The file may grow under our eyes: what lies in rings is copied first, then the walk goes on to the new end. */
static int read_blocks(struct trace *t, int fd, struct fault *ret_fault)
{
	struct walk w = { .t = t, .unpacker = unpack_new(), .at = t->front.header_bytes, .end = t->front.x_file_end };
	int err;

	walk_blocks(&w);
	walk_rings(&w);
	err = map_file(t, fd, ret_fault);
	if (!err) {
		memcpy(&w.end, t->map + offsetof(struct pt_front, x_file_end), sizeof w.end);
		walk_blocks(&w);
		if (w.end > t->file_bytes && t->cut_at == FAULT_NOWHERE && !t->footer_found) {
			t->cut_at = t->file_bytes;
			trace_trouble(t, t->file_bytes, "the trace is cut at byte %" PRIu64, t->file_bytes);
		}
		walk_defs(&w);
		walk_parts(&w);
	}
	walk_done(&w);
	return err;
}

static void check_footer(struct trace *t)
{
	const struct pt_footer *f = &t->footer;

	if (!t->footer_found)
		return;
	if (f->n_events != t->n_events)
		trace_trouble(t, FAULT_NOWHERE, "%" PRIu64 " events were written, %" PRIu64 " are there", f->n_events,
			      t->n_events);
	else if (f->n_blocks != t->n_blocks || f->n_defs != t->defs.n_loaded)
		trace_trouble(t, FAULT_NOWHERE,
			      "%" PRIu64 " blocks and %" PRIu64 " definitions were written, %" PRIu64 " and %" PRIu64
			      " are there",
			      f->n_blocks, f->n_defs, t->n_blocks, t->defs.n_loaded);
}

/* A copy made by `pytrace repair` tells what was wrong with the original. */
static void recall_repair(struct trace *t)
{
	const char *line = defs_meta(&t->defs, "repaired", NULL);

	for (size_t len; line && *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		trace_trouble(t, FAULT_NOWHERE, "before it was repaired: %.*s", (int)len, line);
	}
}

static void settle(struct trace *t)
{
	const struct pt_front *f = &t->front;

	defs_finish(&t->defs);
	if (t->defs.stacks.n_unmerged)
		trace_trouble(t, FAULT_NOWHERE,
			      "%" PRIu64 " stacks are too tangled: they show their Python frames only",
			      t->defs.stacks.n_unmerged);
	if (t->defs.n_bad)
		trace_trouble(t, FAULT_NOWHERE, "%" PRIu64 " definitions made no sense", t->defs.n_bad);
	for (size_t i = 0; i < t->threads.n; i++)
		t->threads.at[i].name = defs_thread_name(&t->defs, t->threads.at[i].number);
	if (t->footer_found && t->footer.duration_ns < MAX_NS && t->footer.duration_ns > t->end_ns)
		t->end_ns = t->footer.duration_ns;
	else if (!t->footer_found && f->x_end_ns < MAX_NS && f->x_end_ns > t->end_ns)
		t->end_ns = f->x_end_ns;
	check_footer(t);
	recall_repair(t);
}

/* What a ring still holds is newer than any block. */
static void pass_over(struct trace *t, uint64_t since)
{
	size_t n = 0;

	for (size_t i = 0; i < t->parts.n; i++) {
		const struct part *p = &t->parts.at[i];

		if (p->ring || p->offset >= since)
			t->parts.at[n++] = *p;
		else
			t->n_events -= p->n_events;
	}
	t->parts.n = n;
}

/* Whether the process that the front page names has this very file mapped. */
static bool is_being_written(const struct trace *t)
{
	char path[64], line[8192];
	unsigned long inode;
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", t->front.pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && fgets(line, sizeof line, maps))
		found = sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && inode == t->inode;
	fclose(maps);
	return found;
}

/*
 * Whether the process went on to its end while we read: its front page tells so by now, or a smaller file has taken the
 * place of the one that we have.
 */
static bool has_moved_on(const struct trace *t)
{
	uint32_t state;
	struct stat st;

	memcpy(&state, t->map + offsetof(struct pt_front, x_state), sizeof state);
	return state != t->front.x_state || (!stat(t->file, &st) && st.st_ino != t->inode);
}

static int open_once(struct trace *t, const char *file, const struct trace_options *options, struct fault *ret_fault)
{
	int fd, err;

	*t = (struct trace){ .file = mem_text(file, strlen(file)), .cut_at = FAULT_NOWHERE };
	defs_init(&t->defs);
	t->defs.stacks.internals = options->internals;
	t->defs.stacks.keep_raw = options->raw_stacks;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(ret_fault, FAULT_IO, file, FAULT_NOWHERE, "%s", strerror(errno));
	err = map_file(t, fd, ret_fault);
	if (!err)
		err = read_front(t, ret_fault);
	if (!err)
		err = read_blocks(t, fd, ret_fault);
	if (!err) {
		settle(t);
		pass_over(t, options->since);
	}
	close(fd);
	return err;
}

int trace_open(struct trace *t, const char *file, struct fault *ret_fault)
{
	return trace_open_with(t, file, &(struct trace_options){ 0 }, ret_fault);
}

int trace_open_with(struct trace *t, const char *file, const struct trace_options *options, struct fault *ret_fault)
{
	int err = open_once(t, file, options, ret_fault);

	for (int tries = 0; !err && t->front.x_state == PT_STATE_RUNNING && tries < 3; tries++) {
		t->alive = is_being_written(t);
		if (t->alive || !has_moved_on(t))
			break;
		trace_close(t);
		err = open_once(t, file, options, ret_fault);
	}
	return err;
}

void trace_close(struct trace *t)
{
	for (size_t i = 0; i < t->parts.n; i++)
		free(t->parts.at[i].ring);
	for (size_t i = 0; i < t->rings.n; i++)
		free(t->rings.at[i].slots);
	for (size_t i = 0; i < t->troubles.n; i++)
		free(t->troubles.at[i].text);
	if (t->map)
		munmap((void *)t->map, t->file_bytes);
	array_free(&t->parts);
	array_free(&t->threads);
	array_free(&t->defs_at);
	array_free(&t->snapshots_at);
	array_free(&t->rings);
	array_free(&t->troubles);
	defs_free(&t->defs);
	free(t->file);
	*t = (struct trace){ 0 };
}

/* ---- facts ---- */

static const char *stopped_text(uint32_t why)
{
	static const char *const texts[] = {
		[PT_STOP_NOT] = "stopped: unknown",
		[PT_STOP_DISK_FULL] = "stopped: disk full",
		[PT_STOP_WRITE_ERROR] = "stopped: write error",
		[PT_STOP_MAX_SIZE] = "stopped: size limit reached",
		[PT_STOP_OUTPUT_GONE] = "stopped: output file gone",
		[PT_STOP_MEMORY] = "stopped: out of memory",
		[PT_STOP_ASKED] = "stopped: asked to",
	};

	return why < sizeof texts / sizeof *texts ? texts[why] : texts[0];
}

const char *trace_ended(const struct trace *t)
{
	const struct pt_front *f = &t->front;

	if (f->x_state == PT_STATE_STOPPED)
		return stopped_text(f->x_stop);
	if (f->x_state == PT_STATE_ENDED && f->x_ended == PT_ENDED_EXIT)
		return "exit";
	if (f->x_state == PT_STATE_ENDED && f->x_ended == PT_ENDED_SIGNAL)
		return "signal";
	if (t->alive)
		return "running";
	return f->x_ended == PT_ENDED_EXEC ? "exec" : "killed";
}

bool trace_is_complete(const struct trace *t)
{
	bool ended = t->front.x_state == PT_STATE_ENDED || !strcmp(trace_ended(t), "exec");

	return ended && !t->lost_events && !t->troubles.n;
}

double trace_duration_s(const struct trace *t) { return (double)t->end_ns / 1e9; }
