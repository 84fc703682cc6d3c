/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os: the one header that knows the operating system
 *
 * What:  the few system calls that the tracer makes for itself, as functions that return -errno.
 * Why:   not through libc's wrappers: those are what we interpose, some of them are cancellation points, and all of
 *        them change errno. Nothing here touches the caller's errno; nothing here is a cancellation point.
 * Who:   any thread, any moment, also in a signal handler.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OS_PAGE UINT64_C(4096) /* the only size so far: rings are aligned to it, and ranges rounded */

#define os_call(...)                              \
	({                                        \
		int saved_ = errno;               \
		long ret_ = syscall(__VA_ARGS__); \
		if (ret_ == -1) {                 \
			ret_ = -errno;            \
			errno = saved_;           \
		}                                 \
		ret_;                             \
	})

/* What the kernel makes of a length: whole pages. */
static inline size_t os_whole_pages(size_t bytes) { return (bytes + OS_PAGE - 1) & ~(size_t)(OS_PAGE - 1); }

/* The last part of a path. */
static inline const char *os_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Moments of the monotonic clock, and of the calendar. */
static inline uint64_t os_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts); /* the vDSO: no system call, no errno */
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}
static inline uint64_t os_mono_ns(void) { return os_clock_ns(CLOCK_MONOTONIC); }
static inline uint64_t os_real_ns(void) { return os_clock_ns(CLOCK_REALTIME); }

static inline uint32_t os_pid(void) { return (uint32_t)os_call(SYS_getpid); }
static inline uint32_t os_ppid(void) { return (uint32_t)os_call(SYS_getppid); }
static inline uint32_t os_tid(void) { return (uint32_t)os_call(SYS_gettid); }
/* Whether a thread of this process still exists. */
static inline bool os_tid_lives(uint32_t tid) { return os_call(SYS_tgkill, os_pid(), tid, 0) == 0; }

/* mmap: NULL on failure, whatever the reason. */
static inline void *os_map(size_t bytes, int flags, int fd, uint64_t offset)
{
	long p = os_call(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, (long)offset);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}
static inline void os_unmap(void *p, size_t bytes) { os_call(SYS_munmap, p, bytes); }
static inline int os_advise(void *p, size_t bytes, int advice) { return (int)os_call(SYS_madvise, p, bytes, advice); }

static inline int os_open(const char *path, int flags, int mode)
{
	return (int)os_call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}
static inline void os_close(int fd) { os_call(SYS_close, fd); }
/* A copy of the descriptor at `least` or above, closed on exec; -errno. */
static inline int os_dup_above(int fd, int least) { return (int)os_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least); }
/* By system call, whose struct stat is libc's on 64-bit machines: libc's own functions have new names since 2.33. */
static inline int os_identify(int fd, uint64_t *dev, uint64_t *ino)
{
	struct stat st = { 0 };
	int ret = (int)os_call(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);

	*dev = (uint64_t)st.st_dev;
	*ino = (uint64_t)st.st_ino;
	return ret;
}
static inline bool os_is_file(const char *path)
{
	struct stat st;

	return !os_call(SYS_newfstatat, AT_FDCWD, path, &st, 0) && S_ISREG(st.st_mode);
}
static inline bool os_is_executable(const char *path) { return !os_call(SYS_faccessat, AT_FDCWD, path, X_OK); }
/* Threads of this process; 1 when the system does not tell. */
static inline unsigned os_threads(void)
{
	struct stat st;

	return os_call(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) || st.st_nlink < 3
		       ? 1
		       : (unsigned)st.st_nlink - 2;
}
static inline long os_read(int fd, void *buf, size_t bytes) { return os_call(SYS_read, fd, buf, bytes); }
/* What is at the beginning of a file, with a terminating zero: "" when it can't be read. `cap` > 0. */
static inline void os_read_text(const char *path, char *buf, size_t cap)
{
	int fd = os_open(path, O_RDONLY, 0);
	long n = fd >= 0 ? os_read(fd, buf, cap - 1) : 0;

	if (fd >= 0)
		os_close(fd);
	buf[n > 0 ? n : 0] = 0;
}
static inline long os_readlink(const char *path, char *buf, size_t cap)
{
	return os_call(SYS_readlinkat, AT_FDCWD, path, buf, cap);
}
static inline long os_write(int fd, const void *buf, size_t bytes) { return os_call(SYS_write, fd, buf, bytes); }
static inline long os_pwrite(int fd, const void *buf, size_t bytes, uint64_t offset)
{
	return os_call(SYS_pwrite64, fd, buf, bytes, (long)offset);
}
static inline long os_pread(int fd, void *buf, size_t bytes, uint64_t offset)
{
	return os_call(SYS_pread64, fd, buf, bytes, (long)offset);
}
static inline int os_rename(const char *from, const char *to)
{
	return (int)os_call(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
static inline int os_truncate(int fd, uint64_t bytes) { return (int)os_call(SYS_ftruncate, fd, (long)bytes); }
/* mode 0 takes the space now, so that a store into a mapping of it cannot fail later (SIGBUS on a full disk). */
static inline int os_allocate(int fd, int mode, uint64_t offset, uint64_t bytes)
{
	return (int)os_call(SYS_fallocate, fd, mode, (long)offset, (long)bytes);
}
static inline int os_unlink(const char *path) { return (int)os_call(SYS_unlinkat, AT_FDCWD, path, 0); }
/* RLIMIT_FSIZE: a write beyond it would bring the program a SIGXFSZ. */
static inline uint64_t os_file_size_limit(void)
{
	struct rlimit r;

	return os_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &r) ? UINT64_MAX : (uint64_t)r.rlim_cur;
}
static inline uint64_t os_stack_limit(void)
{
	struct rlimit r;

	return os_call(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &r) ? 0 : (uint64_t)r.rlim_cur;
}
static inline uint64_t os_descriptor_limit(void)
{
	struct rlimit r;

	return os_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &r) ? UINT64_MAX : (uint64_t)r.rlim_cur;
}
static inline uint64_t os_random(void)
{
	uint64_t v = 0;

	if (os_call(SYS_getrandom, &v, sizeof v, 1 /* GRND_NONBLOCK */) != sizeof v)
		v = os_mono_ns() * UINT64_C(0x9e3779b97f4a7c15) ^ os_pid();
	return v;
}
/* A full memory barrier on every thread of the process, so that the others need none. Expedited needs registering. */
static inline bool os_barrier_register(void) { return !os_call(SYS_membarrier, 16, 0, 0); }
static inline bool os_barrier(void) { return !os_call(SYS_membarrier, 8, 0, 0); }
static inline void os_sleep_ns(long ns)
{
	struct timespec ts = { 0, ns };

	os_call(SYS_nanosleep, &ts, NULL);
}
static inline void os_yield(void) { os_call(SYS_sched_yield); }
