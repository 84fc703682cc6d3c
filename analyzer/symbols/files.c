/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files: a list of candidates, the first one that fits
 *
 * Each place to look is tried by the same function: open below the root, see that it is ELF, compare the build id.
 * libdebuginfod is loaded when it is needed, so pytrace neither needs it nor waits for its libraries at every start.
 */
#include "analyzer/symbols/files.h"
#include "analyzer/base/array.h"
#include "analyzer/base/mem.h"
#include "analyzer/base/path.h"

#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SYSTEM_DEBUG_DIR "/usr/lib/debug"
enum { PATH_BYTES = 8192, DEBUGINFOD_PATIENCE_S = 5 };

struct files {
	char *sysroot; /* without slashes at its end; "": none */
	int root;      /* its descriptor; -1 */
	ARRAY(char *) debug_dirs;
	struct debuginfod *server; /* NULL: not to be asked */
	bool offline, server_tried;
};

/* A search under way. */
struct search {
	struct files *files;
	const struct files_want *want;
	bool by_crc; /* a debug file without a build id will do when its checksum is right */
	int fd;
	char *name;
	bool differs; /* something had the name, but another build id */
};

struct files *files_new(const char *sysroot, const char *debug_path, bool offline)
{
	struct files *f = mem_zero(1, sizeof *f);
	size_t n = sysroot ? strlen(sysroot) : 0;

	while (n && sysroot[n - 1] == '/')
		n--;
	*f = (struct files){ .sysroot = mem_text(sysroot ? sysroot : "", n), .root = -1, .offline = offline };
	if (n)
		f->root = open(f->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (debug_path && *debug_path) {
		size_t len = strcspn(debug_path, ":");

		if (len)
			*array_push(&f->debug_dirs) = mem_text(debug_path, len);
		debug_path += len + (debug_path[len] == ':');
	}
	elf_version(EV_CURRENT);
	return f;
}

/* ---- one candidate ---- */

static const char elf_magic[] = "\177ELF";

/* The build id of an ELF file: its length, 0 when it has none, -1 when the file is no ELF file. */
static int build_id_of(int fd, uint8_t id[FILES_BUILD_ID_BYTES])
{
	char magic[4];
	const void *found;
	Elf *elf;
	ssize_t n;

	if (pread(fd, magic, sizeof magic, 0) != sizeof magic || memcmp(magic, elf_magic, sizeof magic))
		return -1;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	n = elf ? dwelf_elf_gnu_build_id(elf, &found) : -1;
	if (n > FILES_BUILD_ID_BYTES)
		n = FILES_BUILD_ID_BYTES;
	if (n > 0)
		memcpy(id, found, (size_t)n);
	elf_end(elf);
	return n < 0 ? (elf ? 0 : -1) : (int)n;
}

/* The checksum of .gnu_debuglink. */
static uint32_t crc_of(int fd)
{
	uint8_t buf[65536];
	uint32_t crc = ~0U;
	off_t at = 0;
	ssize_t n;

	for (; (n = pread(fd, buf, sizeof buf, at)) > 0; at += n)
		for (ssize_t i = 0; i < n; i++) {
			crc ^= buf[i];
			for (int bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
		}
	return ~crc;
}

static bool fits(struct search *s, int fd)
{
	const struct files_want *want = s->want;
	uint8_t id[FILES_BUILD_ID_BYTES];
	int n = build_id_of(fd, id);

	if (n < 0)
		return false;
	if (want->build_id_bytes && (n || !s->by_crc)) {
		bool same = (unsigned)n == want->build_id_bytes && !memcmp(id, want->build_id, want->build_id_bytes);

		s->differs |= !same;
		return same;
	}
	return !s->by_crc || crc_of(fd) == want->link_crc;
}

/* Opens a path of the traced system, by its own symbolic links where the kernel can do that. */
static int open_in_root(const struct files *f, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT };
	char joined[PATH_BYTES];
	long fd;

	if (!*f->sysroot)
		return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	fd = f->root < 0 ? -1 : syscall(SYS_openat2, f->root, path, &how, sizeof how);
	if (fd >= 0 || f->root < 0 || snprintf(joined, sizeof joined, "%s/%s", f->sysroot, path) >= (int)sizeof joined)
		return (int)fd;
	return open(joined, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Takes an opened candidate if it fits. */
static bool take(struct search *s, int fd, const char *root, const char *path)
{
	struct stat st;
	size_t n = strlen(root) + strlen(path) + 1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !fits(s, fd)) {
		close(fd);
		return false;
	}
	s->fd = fd;
	s->name = mem_alloc(n);
	snprintf(s->name, n, "%s%s", root, path);
	return true;
}

/* A path on the traced system. */
static bool try_in_root(struct search *s, const char *path)
{
	return take(s, open_in_root(s->files, path), s->files->sysroot, path);
}

/* A path on this system, made as by printf. */
__attribute__((format(printf, 2, 3))) static bool try_here(struct search *s, const char *format, ...)
{
	char path[PATH_BYTES];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(path, sizeof path, format, args);
	va_end(args);
	return n < (int)sizeof path && take(s, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), "", path);
}

/* ---- debuginfod ---- */

struct debuginfod {
	void *library, *client;
	int (*find)(void *client, const unsigned char *build_id, int bytes, char **ret_path);
	void (*end)(void *client);
	double seconds_left;
	double stop_at;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Called while a server is asked; anything but 0 gives up. There is one client at a time. */
static double debuginfod_stop_at;

static int debuginfod_on_progress(void *client, long a, long b)
{
	(void)client, (void)a, (void)b;
	return now_s() > debuginfod_stop_at;
}

static struct debuginfod *debuginfod_new(void)
{
	typedef int (*progress_fn)(void *client, long a, long b);
	void *library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	void *(*begin)(void) = library ? dlsym(library, "debuginfod_begin") : NULL;
	void (*on_progress)(void *, progress_fn) = library ? dlsym(library, "debuginfod_set_progressfn") : NULL;
	struct debuginfod *d;

	if (!begin || !on_progress)
		return NULL;
	d = mem_zero(1, sizeof *d);
	*d = (struct debuginfod){
		.library = library,
		.find = dlsym(library, "debuginfod_find_debuginfo"),
		.end = dlsym(library, "debuginfod_end"),
		.seconds_left = FILES_DEBUGINFOD_S,
	};
	setenv("DEBUGINFOD_TIMEOUT", "5", 0);
	d->client = d->find && d->end ? begin() : NULL;
	if (d->client)
		on_progress(d->client, debuginfod_on_progress);
	return d;
}

static void debuginfod_free(struct debuginfod *d)
{
	if (d && d->client)
		d->end(d->client);
	free(d);
}

/* Asks the servers for the debug file of a build id. */
static bool try_debuginfod(struct search *s)
{
	struct files *f = s->files;
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct debuginfod *d;
	char *path = NULL;
	double started;
	int fd;

	if (f->offline || !urls || !*urls || !s->want->build_id_bytes)
		return false;
	if (!f->server_tried)
		f->server = debuginfod_new();
	f->server_tried = true;
	d = f->server;
	if (!d || !d->client || d->seconds_left <= 0)
		return false;
	started = now_s();
	debuginfod_stop_at = started + d->seconds_left;
	fd = d->find(d->client, s->want->build_id, (int)s->want->build_id_bytes, &path);
	d->seconds_left -= now_s() - started;
	if (fd < 0 && now_s() - started > DEBUGINFOD_PATIENCE_S)
		d->seconds_left = 0; /* servers that don't answer now won't for the next module */
	if (fd >= 0 && !take(s, fd, "", path ? path : ""))
		fd = -1;
	free(path);
	return fd >= 0;
}

void files_free(struct files *f)
{
	if (!f)
		return;
	debuginfod_free(f->server);
	for (size_t i = 0; i < f->debug_dirs.n; i++)
		free(f->debug_dirs.at[i]);
	array_free(&f->debug_dirs);
	if (f->root >= 0)
		close(f->root);
	free(f->sysroot);
	free(f);
}

/* ---- where to look ---- */

/* "/.build-id/ab/cdef" in `to`; "" when there is no build id. */
static void id_path(char *to, const uint8_t *id, unsigned n)
{
	static const char dir[] = "/.build-id/";

	*to = 0;
	if (n < 2 || n > FILES_BUILD_ID_BYTES)
		return;
	to += sprintf(to, "%s%02x/", dir, id[0]);
	for (unsigned i = 1; i < n; i++)
		to += sprintf(to, "%02x", id[i]);
}
enum { ID_PATH_BYTES = FILES_BUILD_ID_BYTES * 2 + 16 };

/* In all folders of debug files, "PATH" + suffix. */
static bool try_debug_dirs(struct search *s, const char *path, const char *suffix)
{
	char in_root[PATH_BYTES];
	struct files *f = s->files;

	if (!*path)
		return false;
	for (size_t i = 0; i < f->debug_dirs.n; i++)
		if (try_here(s, "%s%s%s", f->debug_dirs.at[i], path, suffix))
			return true;
	return snprintf(in_root, sizeof in_root, SYSTEM_DEBUG_DIR "%s%s", path, suffix) < (int)sizeof in_root &&
	       try_in_root(s, in_root);
}

static bool try_by_id(struct search *s, const char *suffix)
{
	char path[ID_PATH_BYTES];

	id_path(path, s->want->build_id, s->want->build_id_bytes);
	return try_debug_dirs(s, path, suffix);
}

/* In --debug-path only: folders with files in them as somebody copied them there. */
static bool try_flat(struct search *s, const char *name)
{
	const struct files *f = s->files;

	for (size_t i = 0; i < f->debug_dirs.n; i++)
		if (try_here(s, "%s/%s", f->debug_dirs.at[i], name))
			return true;
	return false;
}

static bool try_link(struct search *s)
{
	const char *path = s->want->path, *link = s->want->link;
	int dir = (int)(path_name(path) - path);
	char joined[PATH_BYTES];

	if (!link || !*link || strchr(link, '/') || dir < 1 || dir > PATH_BYTES / 2 || strlen(link) > NAME_MAX)
		return false;
	snprintf(joined, sizeof joined, "%.*s%s", dir, path, link);
	if (try_debug_dirs(s, joined, "") || try_flat(s, link))
		return true;
	if (strcmp(link, path_name(path)) && try_in_root(s, joined))
		return true;
	snprintf(joined, sizeof joined, "%.*s.debug/%s", dir, path, link);
	return try_in_root(s, joined);
}

int files_module(struct files *f, const struct files_want *want, char **ret_name, bool *ret_differs)
{
	struct search s = { .files = f, .want = want, .fd = -1 };

	if (!try_in_root(&s, want->path)) {
		*ret_differs = s.differs;
		/* By name alone only where there is no build id to be wrong about. */
		if (!try_debug_dirs(&s, want->path, "") && !try_by_id(&s, "") && !try_by_id(&s, ".debug") &&
		    !try_flat(&s, path_name(want->path)))
			try_debuginfod(&s);
	}
	*ret_differs = s.differs && s.fd < 0;
	*ret_name = s.name;
	return s.fd;
}

int files_debug(struct files *f, const struct files_want *want, char **ret_name)
{
	struct search s = { .files = f, .want = want, .fd = -1 };

	if (!try_by_id(&s, ".debug")) {
		s.by_crc = true;
		if (!try_link(&s))
			try_debuginfod(&s);
	}
	*ret_name = s.name;
	return s.fd;
}

int files_alt(struct files *f, const char *name, const char *beside, const uint8_t *build_id, unsigned build_id_bytes,
	      char **ret_name)
{
	static const char system_dir[] = SYSTEM_DEBUG_DIR "/";
	struct files_want want = { .path = name, .build_id = build_id, .build_id_bytes = build_id_bytes };
	struct search s = { .files = f, .want = &want, .fd = -1 };
	bool is_system = !strncmp(name, system_dir, sizeof system_dir - 1);

	if (!build_id_bytes || try_by_id(&s, ".debug") ||
	    (*name == '/' ? try_in_root(&s, name)
			  : try_here(&s, "%.*s%s", (int)(path_name(beside) - beside), beside, name)) ||
	    (is_system && try_debug_dirs(&s, name + sizeof system_dir - 2, "")))
		goto done;
	try_debuginfod(&s);
done:
	*ret_name = s.name;
	return s.fd;
}
