/* SPDX-License-Identifier: Apache-2.0 */
/* sink: space, writes that cannot hurt the program, the front page, the end of the file. */
#include "preload/record/sink.h"
#include "preload/record/name.h"
#include "preload/base/os.h"
#include "preload/base/tracer.h"

#include <string.h>

enum { FD_LEAST = 100, COPY_SOME = 16 << 20, COPY_MUCH = 256 << 20 };

static struct {
	struct pt_front *front; /* mapped */
	int kept_fd;            /* -1: opened for each operation */
	uint64_t dev, ino;
	uint64_t max_bytes;
	uint64_t start_ns, id;
	uint32_t pid;
	struct lock keeping;
	char path[PATH_MAX];
} sink = { .kept_fd = -1 };

const char *sink_path(void) { return sink.path; }
uint64_t sink_start_ns(void) { return sink.start_ns; }
uint64_t sink_id(void) { return sink.id; }
uint32_t sink_owner_pid(void) { return sink.pid; }
bool sink_is_open(void) { return sink.front && sink.front->x_state == PT_STATE_RUNNING; }

/* ---- the descriptor ---- */

/* Moves it out of the program's way; RLIMIT_NOFILE may leave no room up there. */
static int move_up(int fd)
{
	int high = os_dup_above(fd, FD_LEAST);

	if (high < 0)
		return fd;
	os_close(fd);
	return high;
}

/* The program may have closed the number, or use it for a file of its own. */
static bool is_ours(int fd)
{
	uint64_t dev, ino;

	return fd >= 0 && !os_identify(fd, &dev, &ino) && dev == sink.dev && ino == sink.ino;
}

static int open_again(int *ret_lowest)
{
	int fd = os_open(sink.path, O_RDWR, 0);

	*ret_lowest = fd;
	if (fd < 0)
		return -1;
	if (!is_ours(fd)) {
		os_close(fd);
		return -1;
	}
	return move_up(fd);
}

static void keep(int fd)
{
	lock_take(&sink.keeping);
	if (!is_ours(sink.kept_fd)) {
		__atomic_store_n(&sink.kept_fd, fd, __ATOMIC_RELEASE);
		fd = -1;
	}
	lock_drop(&sink.keeping);
	if (fd >= 0)
		os_close(fd);
}

/* A descriptor for one operation, to be given back. A program that runs out of descriptors should not run out of a
 * trace as well: when half of them are taken, ours is kept. */
static int borrow_fd(void)
{
	int fd = __atomic_load_n(&sink.kept_fd, __ATOMIC_ACQUIRE), lowest;

	if (is_ours(fd))
		return fd;
	fd = open_again(&lowest);
	if (fd < 0)
		sink_stop(PT_STOP_OUTPUT_GONE);
	else if ((uint64_t)lowest > os_descriptor_limit() / 2)
		keep(fd);
	return fd;
}

static void return_fd(int fd)
{
	if (fd >= 0 && fd != __atomic_load_n(&sink.kept_fd, __ATOMIC_ACQUIRE))
		os_close(fd);
}

void sink_keep_descriptor(void)
{
	int lowest, fd = sink_is_open() && !is_ours(sink.kept_fd) ? open_again(&lowest) : -1;

	if (fd >= 0)
		keep(fd);
}

/* ---- space and writes ---- */

static enum pt_stop stop_for(long error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG ? PT_STOP_DISK_FULL : PT_STOP_WRITE_ERROR;
}

uint64_t sink_reserve(uint64_t bytes, uint64_t align)
{
	uint64_t at = __atomic_load_n(&sink.front->x_file_end, __ATOMIC_RELAXED), start;

	do {
		start = (at + align - 1) / align * align;
		if (start + bytes > sink.max_bytes) {
			sink_stop(PT_STOP_MAX_SIZE);
			return 0;
		}
	} while (!__atomic_compare_exchange_n(&sink.front->x_file_end, &at, start + bytes, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return start;
}

/* A write beyond RLIMIT_FSIZE would raise SIGXFSZ in the program: look first. */
static bool fits_limit(uint64_t end)
{
	if (end <= os_file_size_limit())
		return true;
	sink_stop(PT_STOP_DISK_FULL);
	return false;
}

static bool write_all(int fd, const char *p, uint64_t bytes, uint64_t offset)
{
	while (bytes) {
		long n = os_pwrite(fd, p, bytes, offset);

		if (n == -EINTR)
			continue;
		if (n <= 0) {
			sink_stop(stop_for(n));
			return false;
		}
		p += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return true;
}

bool sink_write(const void *data, uint64_t bytes, uint64_t offset)
{
	bool ok;
	int fd;

	if (!fits_limit(offset + bytes) || (fd = borrow_fd()) < 0)
		return false;
	ok = write_all(fd, data, bytes, offset);
	return_fd(fd);
	return ok;
}

/* File systems without fallocate get zeros written. */
static bool take_space(int fd, uint64_t offset, uint64_t bytes)
{
	static const char zeros[4096];
	int error;

	if (!fits_limit(offset + bytes))
		return false;
	do
		error = os_allocate(fd, 0, offset, bytes);
	while (error == -EINTR);
	if (!error)
		return true;
	if (error != -EOPNOTSUPP && error != -ENOSYS && error != -EPERM) {
		sink_stop(stop_for(error));
		return false;
	}
	for (uint64_t i = 0; i < bytes; i += sizeof zeros)
		if (!write_all(fd, zeros, sizeof zeros, offset + i))
			return false;
	return true;
}

static void *map_range(int fd, uint64_t offset, uint64_t bytes)
{
	void *p;

	if (!take_space(fd, offset, bytes))
		return NULL;
	p = os_map(bytes, MAP_SHARED, fd, offset);
	if (!p) {
		sink_stop(PT_STOP_MEMORY);
		return NULL;
	}
	os_advise(p, bytes, MADV_DONTFORK);
	return p;
}

void *sink_map(uint64_t offset, uint64_t bytes)
{
	int fd = borrow_fd();
	void *p = fd < 0 ? NULL : map_range(fd, offset, bytes);

	return_fd(fd);
	return p;
}

/* ---- the front page ---- */

static void fill_front(struct pt_front *f, const char *program, const struct sink_parent *parent)
{
	memcpy(f->magic, PT_FILE_MAGIC, sizeof f->magic);
	f->version = PT_VERSION;
	f->header_bytes = PT_FRONT_BYTES;
	f->page_bytes = (uint32_t)OS_PAGE;
	f->pid = sink.pid;
	f->ppid = os_ppid();
	f->start_real_ns = os_real_ns();
	f->start_mono_ns = sink.start_ns;
	f->id = sink.id;
	f->parent_id = parent->id;
	f->fork_serial = parent->fork_serial;
	memcpy(f->parent_file, parent->file, sizeof f->parent_file);
	strncpy(f->program, program, sizeof f->program - 1);
	f->x_state = PT_STATE_RUNNING;
	f->x_file_end = PT_FRONT_BYTES;
	pt_front_seal(f);
}

bool sink_open(const char *pattern, const char *program, uint64_t max_bytes, const struct sink_parent *parent,
	       int *ret_errno)
{
	struct pt_front image = { 0 }, *front;
	int fd = name_create(sink.path, pattern, program);

	if (fd < 0) {
		*ret_errno = -fd;
		return false;
	}
	fd = move_up(fd);
	os_identify(fd, &sink.dev, &sink.ino);
	sink.pid = os_pid();
	sink.max_bytes = max_bytes;
	sink.start_ns = os_mono_ns();
	sink.id = os_random() | 1;
	fill_front(&image, program, parent);
	*ret_errno = ENOSPC;
	sink.front = NULL;
	front = map_range(fd, 0, PT_FRONT_BYTES);
	if (front && write_all(fd, (const char *)&image, sizeof image, 0))
		sink.front = front;
	os_close(fd);
	if (!sink.front)
		os_unlink(sink.path);
	return sink.front;
}

void sink_reached(uint64_t now_ns)
{
	uint64_t last = __atomic_load_n(&sink.front->x_last_ns, __ATOMIC_RELAXED);

	while (last < now_ns && !__atomic_compare_exchange_n(&sink.front->x_last_ns, &last, now_ns, true,
							     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void sink_lost(enum pt_lost why, uint64_t count)
{
	if (sink.front)
		__atomic_fetch_add(&sink.front->x_lost[why], count, __ATOMIC_RELAXED);
}

uint64_t sink_file_bytes(void) { return sink.front ? __atomic_load_n(&sink.front->x_file_end, __ATOMIC_RELAXED) : 0; }

uint64_t sink_lost_events(void)
{
	uint64_t sum = 0;

	for (int i = 0; sink.front && i < PT_LOST_KINDS; i++)
		sum += __atomic_load_n(&sink.front->x_lost[i], __ATOMIC_RELAXED);
	return sum;
}

void sink_stop(enum pt_stop why)
{
	atomic_store(&tracer.state, TRACER_OFF);
	if (!sink.front || sink.front->x_state != PT_STATE_RUNNING)
		return;
	sink.front->x_stop = why;
	sink.front->x_end_ns = os_mono_ns() - sink.start_ns;
	__atomic_store_n(&sink.front->x_state, PT_STATE_STOPPED, __ATOMIC_RELEASE);
}

void sink_ended(enum pt_ended how, int status, uint64_t now_ns)
{
	struct pt_front *f = sink.front;

	if (!f)
		return;
	f->x_exit_status = status;
	f->x_ended = how;
	f->x_last_ns = now_ns;
	if (f->x_state == PT_STATE_STOPPED || how == PT_ENDED_NOT)
		return;
	f->x_end_ns = now_ns;
	if (how != PT_ENDED_EXEC)
		__atomic_store_n(&f->x_state, PT_STATE_ENDED, __ATOMIC_RELEASE);
}

/* ---- the end ---- */

static bool copy_range(int from, int to, uint64_t offset, uint64_t bytes, uint64_t *out)
{
	static char buf[1 << 16]; /* one thread ends a trace */

	while (bytes) {
		size_t want = bytes < sizeof buf ? bytes : sizeof buf;
		long n = os_pread(from, buf, want, offset);

		if (n <= 0 || os_pwrite(to, buf, (size_t)n, *out) != n)
			return false;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
		*out += (uint64_t)n;
	}
	return true;
}

/* Blocks lie at multiples of PT_BLOCK_ALIGN and so do gaps: what is left stays aligned. */
static bool copy_without(int from, int to, const struct sink_gap *gaps, unsigned n)
{
	uint64_t at = PT_FRONT_BYTES, out = 0, end = sink.front->x_file_end;

	if (!copy_range(from, to, 0, PT_FRONT_BYTES, &out))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (gaps[i].offset > at && !copy_range(from, to, at, gaps[i].offset - at, &out))
			return false;
		at = gaps[i].offset + gaps[i].bytes;
	}
	if (end > at && !copy_range(from, to, at, end - at, &out))
		return false;
	return os_pwrite(to, &out, sizeof out, offsetof(struct pt_front, x_file_end)) == sizeof out;
}

static void write_anew(int fd, const struct sink_gap *gaps, unsigned n)
{
	static char path[PATH_MAX + 2];
	int to;

	strcat(strcpy(path, sink.path), "~");
	to = os_open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
	if (to < 0)
		return;
	if (!copy_without(fd, to, gaps, n) || os_rename(path, sink.path))
		os_unlink(path);
	os_close(to);
}

/* Whether the gaps are a good part of the file, and the rest is copied in a moment. */
static bool is_worth_it(const struct sink_gap *gaps, unsigned n, uint64_t file_bytes)
{
	uint64_t gap_bytes = 0, rest;

	for (unsigned i = 0; i < n; i++)
		gap_bytes += gaps[i].bytes;
	rest = file_bytes - gap_bytes;
	return file_bytes <= os_file_size_limit() &&
	       ((gap_bytes * 8 > file_bytes && rest <= COPY_SOME) || (gap_bytes > rest && rest <= COPY_MUCH));
}

void sink_close(const struct sink_gap *gaps, unsigned n)
{
	int fd = borrow_fd();

	if (fd < 0)
		return;
	os_truncate(fd, sink.front->x_file_end);
	if (n && is_worth_it(gaps, n, sink.front->x_file_end))
		write_anew(fd, gaps, n);
	os_close(fd);
	sink.kept_fd = -1;
}

int sink_copy_keeps(void) { return is_ours(sink.kept_fd) ? sink.kept_fd : -1; }

bool sink_copy_opens(int *ret_fd, struct pt_front **ret_front, uint64_t *ret_max_bytes)
{
	int lowest;

	*ret_fd = is_ours(sink.kept_fd) ? sink.kept_fd : open_again(&lowest);
	if (*ret_fd < 0)
		return false;
	*ret_front = os_map(PT_FRONT_BYTES, MAP_SHARED, *ret_fd, 0);
	*ret_max_bytes = sink.max_bytes;
	return *ret_front;
}

void sink_after_fork(void)
{
	if (is_ours(sink.kept_fd))
		os_close(sink.kept_fd);
	sink.kept_fd = -1;
	sink.front = NULL;
	sink.path[0] = 0;
	lock_drop(&sink.keeping);
}
