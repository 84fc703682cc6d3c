/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: starts a command with the tracer preloaded, waits as a shell would, and says in two lines what came out
 *
 * The command stays in our process group: what the terminal sends reaches it without us. Signals sent to us alone are
 * handed on. We end as the command ended: the same status, or the same signal.
 *
 * Which traces are its own: those in the folder of the output pattern whose process started after we did.
 */
#include "analyzer/report/finding.h"
#include "analyzer/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
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

struct run_options {
	const char *output, *mode, *follow, *programs, *max_size;
	bool quiet;
};

extern const struct command command_run;

static int fail(const char *what, const char *name, const char *why)
{
	char safe[600];

	fprintf(stderr, "pytrace run: %s%s%s%s\n", what, format_printable(safe, sizeof safe, name), *why ? ": " : "",
		why);
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

static int check_library(char *path, size_t cap)
{
	const char *given = getenv("PYTRACE_LIBRARY");

	if (!find_library(path, cap))
		return given && *given ? fail("PYTRACE_LIBRARY is ", given, strerror(errno))
				       : fail("libpytrace.so is neither beside this program nor in ", PT_LIBDIR,
					      "set PYTRACE_LIBRARY to its path");
	if (strpbrk(path, ": "))
		return fail("the linker can't preload a path with a space or colon: ", path, "");
	return REPORT_GO;
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
static void absolute_pattern(char *buf, size_t cap, const struct run_options *own)
{
	const char *pattern = own->output ? own->output : getenv("PYTRACE_OUTPUT");
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

static void set_environment(const struct run_options *own, const char *library, const char *pattern)
{
	const struct {
		const char *name, *value;
	} variables[] = {
		{ "PYTRACE_MODE", own->mode },         { "PYTRACE_FOLLOW", own->follow },
		{ "PYTRACE_PROGRAMS", own->programs }, { "PYTRACE_MAX_SIZE", own->max_size },
		{ "PYTRACE_OUTPUT", pattern },
	};

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		if (variables[i].value)
			setenv(variables[i].name, variables[i].value, 1);
	}
	set_preload(library);
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

static _Noreturn void become(char **command, const struct signals *s, int complaints, const struct run_options *own,
			     const char *library, const char *pattern)
{
	int error;

	give_signals_back(s);
	set_environment(own, library, pattern);
	execvp(command[0], command);
	error = errno;
	_exit(write(complaints, &error, sizeof error) == sizeof error ? STATUS_NOT_RUN : STATUS_NO_FILE);
}

/* Starts the command and waits for its end. Returns 0 with *ret_status as of waitpid(), or the errno that kept it from
 * starting. */
static int start_and_wait(char **command, const struct run_options *own, const char *library, const char *pattern,
			  int *ret_status)
{
	struct signals signals;
	int complaints[2], error = 0;
	pid_t pid;

	if (pipe2(complaints, O_CLOEXEC))
		return errno;
	take_signals(&signals);
	pid = fork();
	if (pid == 0)
		become(command, &signals, complaints[1], own, library, pattern);
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

struct found {
	char *name;
	uint64_t start_ns;
};
struct found_list {
	struct found *at;
	size_t n, cap;
};

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
	const struct found *a = left, *b = right;

	return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

/* Traces in the folder of the pattern. A folder that has a % in itself can't be known before. */
static void find_traces(struct found_list *list, const char *pattern, uint64_t since_ns)
{
	char folder[PATH_MAX * 2], path[PATH_MAX * 2 + 300];
	const char *slash = strrchr(pattern, '/');
	struct dirent *entry;
	uint64_t start_ns;
	DIR *dir;

	snprintf(folder, sizeof folder, "%.*s", (int)(slash - pattern), pattern);
	for (char *c = strstr(folder, "%%"); c; c = strstr(c + 1, "%%"))
		memmove(c, c + 1, strlen(c));
	dir = opendir(*folder ? folder : "/");
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (is_ours(path, since_ns, &start_ns))
			*array_push(list) = (struct found){ mem_text(path, strlen(path)), start_ns };
	}
	if (dir)
		closedir(dir);
	if (list->n)
		qsort(list->at, list->n, sizeof *list->at, by_start);
}

/* A path as the user would type it here. */
static const char *short_path(const char *path)
{
	static char folder[PATH_MAX];
	size_t len;

	if (!*folder && !getcwd(folder, sizeof folder))
		return path;
	len = strlen(folder);
	return !strncmp(path, folder, len) && path[len] == '/' ? path + len + 1 : path;
}

static void print_names(const struct found_list *list)
{
	char safe[PATH_MAX];

	fprintf(stderr, "pytrace: wrote %s:", format_plural(list->n, "trace", "traces").text);
	for (size_t i = 0; i < list->n && i < NAMES_SHOWN; i++)
		fprintf(stderr, " %s", format_printable(safe, sizeof safe, short_path(list->at[i].name)));
	if (list->n > NAMES_SHOWN)
		fprintf(stderr, " and %zu more", list->n - NAMES_SHOWN);
	fputc('\n', stderr);
}

static void print_worst(const struct report *r, const struct finding_list *findings)
{
	const struct finding *f = findings->at;
	const char *reservation = finding_reservation(r);
	char where[4096], safe[4096];

	if (!findings->n_found) {
		fprintf(stderr, "no leak found%s%s%s. Next: pytrace summary %s\n", reservation ? ", but " : "",
			reservation ? reservation : "", findings->n_undecided ? " (some undecided)" : "",
			short_path(r->traces[0]->trace.file));
		return;
	}
	format_printable(safe, sizeof safe, place_where(finding_place(f), false, where, sizeof where));
	fprintf(stderr, "%s, %s %s at %s", format_plural(findings->n_found, "finding", "findings").text,
		findings->n_found > 1 ? "the worst:" : "a", finding_verdict(f), safe);
	if (f->all_rate > 0)
		fprintf(stderr, " by %s", format_rate(f->all_rate).text);
	fprintf(stderr, ". Next: pytrace leaks %s\n", short_path(f->trace->trace.file));
}

static void print_verdict(const struct found_list *list)
{
	struct report r = { .traces = mem_zero(list->n + 1, sizeof *r.traces) };
	struct finding_list findings;
	uint64_t peak = 0, live = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct fault fault = { 0 };
		struct report_trace *t =
			report_load(list->at[i].name, REPORT_GROWTH | REPORT_REMAINS, &r.common, NULL, &fault);

		if (!t) {
			fault_print(&fault, stderr);
			continue;
		}
		r.traces[r.n_traces++] = t;
		peak += t->account.at[ACCOUNT_PEAK].bytes;
		live += t->account.at[ACCOUNT_END].bytes;
	}
	if (r.n_traces) {
		finding_list_init(&findings, &r);
		fprintf(stderr, "pytrace: peak %s, %s at the end; ", format_bytes(peak).text, format_bytes(live).text);
		print_worst(&r, &findings);
		finding_list_free(&findings);
	}
	for (size_t i = 0; i < r.n_traces; i++)
		report_unload(r.traces[i]);
	free(r.traces);
}

static void tell(const char *pattern, uint64_t since_ns)
{
	struct found_list list = { 0 };

	find_traces(&list, pattern, since_ns);
	if (list.n) {
		print_names(&list);
		print_verdict(&list);
	} else {
		fprintf(stderr, "pytrace: no trace was written: did the command run Python? (%s)\n", pattern);
	}
	for (size_t i = 0; i < list.n; i++)
		free(list.at[i].name);
	array_free(&list);
}

/* Ends as the command did, without a second core. */
static int end_alike(int status)
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

static int not_started(const char *name, int error)
{
	fail("can't start ", name, strerror(error));
	return error == ENOENT ? STATUS_NO_FILE : STATUS_NOT_RUN;
}

static uint64_t now_real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int run(int argc, char **argv)
{
	struct run_options own = { 0 };
	struct report r;
	char library[PATH_MAX], pattern[PATH_MAX * 2];
	uint64_t since_ns = now_real_ns();
	int code = report_parse(&r, &command_run, &own, argc, argv), status = 0, error;
	char **command;

	if (code != REPORT_GO)
		return code;
	if (!r.common.n_operands)
		return fail("no command given", "", "try 'pytrace run -- python3 app.py'");
	code = check_library(library, sizeof library);
	if (code != REPORT_GO)
		return code;
	absolute_pattern(pattern, sizeof pattern, &own);
	command = mem_zero((size_t)r.common.n_operands + 1, sizeof *command);
	memcpy(command, r.common.operands, (size_t)r.common.n_operands * sizeof *command);
	error = start_and_wait(command, &own, library, pattern, &status);
	if (!error && !own.quiet)
		tell(pattern, since_ns);
	code = error ? not_started(command[0], error) : end_alike(status);
	free(command);
	return code;
}

static const struct option_row rows[] = {
	{ 'o', "output", OPTION_TEXT, offsetof(struct run_options, output), "PATTERN",
	  "where traces go: %n program, %p pid, %h host, %t start time (%n.%p.pytrace)" },
	{ 0, "mode", OPTION_TEXT, offsetof(struct run_options, mode), "MODE",
	  "full (every event, the default) or off" },
	{ 0, "follow", OPTION_TEXT, offsetof(struct run_options, follow), "LIST",
	  "which children are traced too: fork, exec (both by default), none" },
	{ 0, "programs", OPTION_TEXT, offsetof(struct run_options, programs), "GLOBS",
	  "names of programs to trace, between commas (Python interpreters by default)" },
	{ 0, "max-size", OPTION_TEXT, offsetof(struct run_options, max_size), "SIZE",
	  "stop recording, never the program, when a trace has this size (500M)" },
	{ 'q', "quiet", OPTION_FLAG, offsetof(struct run_options, quiet), NULL, "say nothing at the end" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "run -- python3 app.py --port 8000", "trace one program" },
	{ "run -o '/tmp/traces/%n.%p.pytrace' -- make test", "trace every Python that a build starts" },
	{ "run --max-size 2G -- gunicorn app:wsgi",
	  "trace a server and its workers, each into a file of at most 2 GiB" },
	{ 0 },
};

const struct command command_run = {
	.page =
		{
			.name = "run",
			.summary = "start a command traced, and say in two lines what came out",
			.operands = "-- COMMAND [ARGUMENT...]",
			.details = "Sets LD_PRELOAD and the PYTRACE_ variables (see libpytrace(7)) and runs COMMAND in "
				   "the same "
				   "terminal and process group. It ends with the status or the signal of COMMAND. "
				   "Every Python program "
				   "that COMMAND is or starts writes a trace of its own; other programs are left "
				   "alone.\n\n"
				   "The library is looked for beside this program, then where it was installed; the "
				   "variable "
				   "PYTRACE_LIBRARY overrides both.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_FIRST,
		},
	.run = run,
};
