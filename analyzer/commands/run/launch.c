/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/commands/run/launch.h"
#include "analyzer/base/array.h"
#include "analyzer/report/command.h"
#include "analyzer/out/format.h"
#include "formats/block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_PATTERN "%n.%p.pytrace"
#define STATUS_NOT_RUN  126 /* as env and shells say it */
#define STATUS_NO_FILE  127
#define NAMES_SHOWN     4

int launch_fail(const struct launch *l, const char *what, const char *name, const char *why)
{
	char safe[600];

	fprintf(stderr, "pytrace %s: %s%s%s%s\n", l->command, what, format_printable(safe, sizeof safe, name),
		*why ? ": " : "", why);
	return EXIT_USAGE;
}

/* ---- the library ---- */

/* The folder of our own executable, without a slash at its end. */
static bool own_folder(char *buf, size_t cap)
{
	ssize_t len = readlink("/proc/self/exe", buf, cap - 1);
	char *slash;

	if (len <= 0)
		return false;
	buf[len] = 0;
	slash = strrchr(buf, '/');
	if (!slash)
		return false;
	*slash = 0;
	return true;
}

/* Beside us in a build tree, in the installed tree wherever it was moved to, where it was meant to be installed. */
static bool find_library(char *path, size_t cap)
{
	static const char *const forms[] = {
		"%s/../preload/libpytrace.so",
		"%s/../" PT_LIBDIR_NAME "/libpytrace.so",
		PT_LIBDIR "/libpytrace.so",
	};
	const char *given = getenv("PYTRACE_LIBRARY");
	char folder[PATH_MAX], name[PATH_MAX + 64];

	if (given && *given)
		return realpath(given, path);
	if (!own_folder(folder, sizeof folder))
		return false;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		snprintf(name, sizeof name, forms[i], folder);
		if (strlen(name) < cap && realpath(name, path))
			return true;
	}
	return false;
}

static int check_library(struct launch *l)
{
	const char *given = getenv("PYTRACE_LIBRARY");

	if (!find_library(l->library, sizeof l->library))
		return given && *given ? launch_fail(l, "PYTRACE_LIBRARY is ", given, strerror(errno))
				       : launch_fail(l, "libpytrace.so is neither beside this program nor in ",
						     PT_LIBDIR, "set PYTRACE_LIBRARY to its path");
	if (strpbrk(l->library, ": "))
		return launch_fail(l, "the linker can't preload a path with a space or colon: ", l->library, "");
	return LAUNCH_GO;
}

/* ---- the environment ---- */

static void set_preload(const char *library)
{
	const char *before = getenv("LD_PRELOAD");
	char *both;

	if (!before || !*before) {
		setenv("LD_PRELOAD", library, 1);
		return;
	}
	if (asprintf(&both, "%s:%s", library, before) < 0)
		return;
	setenv("LD_PRELOAD", both, 1);
	free(both);
}

/* The pattern with our folder before it: a child that changes its folder still writes where the user expects. */
static void absolute_pattern(char *buf, size_t cap, const char *output)
{
	const char *pattern = output ? output : getenv("PYTRACE_OUTPUT");
	char folder[PATH_MAX];
	size_t used = 0;

	pattern = pattern && *pattern ? pattern : DEFAULT_PATTERN;
	*buf = 0;
	if (*pattern != '/' && getcwd(folder, sizeof folder)) {
		for (const char *c = folder; *c && used + 3 < cap; c++) {
			buf[used++] = *c;
			if (*c == '%')
				buf[used++] = '%';
		}
		buf[used++] = '/';
	}
	snprintf(buf + used, cap - used, "%s", pattern);
}

static void set_environment(const struct launch *l)
{
	for (const struct launch_variable *v = l->set; v && v->name; v++)
		if (v->value)
			setenv(v->name, v->value, 1);
	setenv("PYTRACE_OUTPUT", l->pattern, 1);
	set_preload(l->library);
}

int launch_prepare(struct launch *l, const char *output)
{
	int code = check_library(l);

	if (code == LAUNCH_GO)
		absolute_pattern(l->pattern, sizeof l->pattern, output);
	return code;
}

/* ---- the child ---- */

static volatile sig_atomic_t child_pid;

/* What the terminal sends goes to the whole process group; what somebody sends to us alone is handed on. */
static void hand_on(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	if (info->si_code <= 0 && child_pid > 0 && info->si_pid != child_pid)
		kill(child_pid, sig);
	errno = error;
}

static const int handed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
#define N_HANDED_ON (sizeof handed_on / sizeof *handed_on)

struct signals {
	struct sigaction before[N_HANDED_ON];
	struct sigaction child_before; /* of SIGCHLD: a command that is ignored when it ends can't be waited for */
	sigset_t mask;
};

/* Blocks them until the child is known; what was ignored stays ignored, for the child inherits that. */
static void take_signals(struct signals *s)
{
	struct sigaction ours = { .sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t set;

	sigemptyset(&set);
	sigemptyset(&ours.sa_mask);
	for (size_t i = 0; i < N_HANDED_ON; i++)
		sigaddset(&set, handed_on[i]);
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, &s->child_before);
	for (size_t i = 0; i < N_HANDED_ON; i++) {
		sigaction(handed_on[i], NULL, &s->before[i]);
		if (s->before[i].sa_handler != SIG_IGN)
			sigaction(handed_on[i], &ours, NULL);
	}
}

static void give_signals_back(const struct signals *s)
{
	for (size_t i = 0; i < N_HANDED_ON; i++)
		sigaction(handed_on[i], &s->before[i], NULL);
	sigaction(SIGCHLD, &s->child_before, NULL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

static _Noreturn void become(char **command, const struct signals *s, int complaints, const struct launch *l)
{
	int error;

	give_signals_back(s);
	set_environment(l);
	execvp(command[0], command);
	error = errno;
	_exit(write(complaints, &error, sizeof error) == sizeof error ? STATUS_NOT_RUN : STATUS_NO_FILE);
}

int launch_run(const struct launch *l, char **command, int *ret_status)
{
	struct signals signals;
	int complaints[2], error = 0;
	pid_t pid;

	if (pipe2(complaints, O_CLOEXEC))
		return errno;
	take_signals(&signals);
	pid = fork();
	if (pid == 0)
		become(command, &signals, complaints[1], l);
	error = pid < 0 ? errno : 0;
	child_pid = pid;
	sigprocmask(SIG_SETMASK, &signals.mask, NULL);
	close(complaints[1]);
	if (pid > 0) {
		while (read(complaints[0], &error, sizeof error) < 0 && errno == EINTR)
			;
		while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
			;
	}
	child_pid = 0;
	close(complaints[0]);
	give_signals_back(&signals);
	return error;
}

/* ---- what came out ---- */

static bool is_ours(const char *path, uint64_t since_ns, uint64_t *ret_start_ns)
{
	struct pt_front front;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, &front, sizeof front);

	if (fd >= 0)
		close(fd);
	if (n != sizeof front || memcmp(front.magic, PT_FILE_MAGIC, sizeof front.magic) ||
	    front.start_real_ns < since_ns)
		return false;
	*ret_start_ns = front.start_real_ns;
	return true;
}

static int by_start(const void *left, const void *right)
{
	const struct launch_trace *a = left, *b = right;

	return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

/* Traces in the folder of the pattern. A folder that has a % in itself can't be known before. */
void launch_find(struct launch_traces *list, const struct launch *l, uint64_t since_ns)
{
	char folder[PATH_MAX * 2], path[PATH_MAX * 2 + 300];
	const char *slash = strrchr(l->pattern, '/');
	struct dirent *entry;
	uint64_t start_ns;
	DIR *dir;

	snprintf(folder, sizeof folder, "%.*s", (int)(slash - l->pattern), l->pattern);
	for (char *c = strstr(folder, "%%"); c; c = strstr(c + 1, "%%"))
		memmove(c, c + 1, strlen(c));
	dir = opendir(*folder ? folder : "/");
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (is_ours(path, since_ns, &start_ns))
			*array_push(list) = (struct launch_trace){ mem_text(path, strlen(path)), start_ns };
	}
	if (dir)
		closedir(dir);
	if (list->n)
		qsort(list->at, list->n, sizeof *list->at, by_start);
}

const char *launch_short_path(const char *path)
{
	static char folder[PATH_MAX];
	size_t len;

	if (!*folder && !getcwd(folder, sizeof folder))
		return path;
	len = strlen(folder);
	return !strncmp(path, folder, len) && path[len] == '/' ? path + len + 1 : path;
}

void launch_print_names(const struct launch_traces *list)
{
	char safe[PATH_MAX];

	fprintf(stderr, "pytrace: wrote %s:", format_plural(list->n, "trace", "traces").text);
	for (size_t i = 0; i < list->n && i < NAMES_SHOWN; i++)
		fprintf(stderr, " %s", format_printable(safe, sizeof safe, launch_short_path(list->at[i].name)));
	if (list->n > NAMES_SHOWN)
		fprintf(stderr, " and %zu more", list->n - NAMES_SHOWN);
	fputc('\n', stderr);
}

void launch_forget(struct launch_traces *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->at[i].name);
	array_free(list);
}

/* ---- the end ---- */

int launch_end_alike(int status)
{
	static const struct rlimit none = { 0, 0 };
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	fflush(NULL);
	kill(getpid(), sig);
	return 128 + sig;
}

int launch_not_started(const struct launch *l, const char *name, int error)
{
	launch_fail(l, "can't start ", name, strerror(error));
	return error == ENOENT ? STATUS_NO_FILE : STATUS_NOT_RUN;
}

uint64_t launch_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
