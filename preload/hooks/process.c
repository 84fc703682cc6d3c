/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: fork, exec, changes of user and root, and the ends that run no exit handlers
 *
 * Exec and exit may be called in the child of a vfork, which is in the parent's memory: lifecycle.c acts only for the
 * process that owns the trace.
 */
#include "preload/hooks/hook.h"

#include <signal.h>
#include <stdarg.h>

extern char **environ;

HOOK pid_t fork(void)
{
	pid_t pid = real.fork(); /* the FORK event comes from pthread_atfork, which also sees libc's own forks */

	if (pid > 0)
		lifecycle_forked(pid);
	return pid;
}

/* Programs try the folders of PATH one by one. */
static bool is_program(const char *path) { return path && os_is_executable(path); }

#define EXEC(good, call)                    \
	({                                  \
		int ret_;                   \
		lifecycle_exec_begin(good); \
		ret_ = (call);              \
		lifecycle_exec_failed();    \
		ret_;                       \
	})

HOOK int execve(const char *path, char *const argv[], char *const env[])
{
	return EXEC(is_program(path), real.execve(path, argv, env));
}
HOOK int execv(const char *path, char *const argv[])
{
	return EXEC(is_program(path), real.execve(path, argv, environ));
}
HOOK int execvp(const char *file, char *const argv[]) { return EXEC(true, real.execvpe(file, argv, environ)); }
HOOK int execvpe(const char *file, char *const argv[], char *const env[])
{
	return EXEC(true, real.execvpe(file, argv, env));
}
HOOK int fexecve(int fd, char *const argv[], char *const env[]) { return EXEC(true, real.fexecve(fd, argv, env)); }

HOOK int execveat(int fd, const char *path, char *const argv[], char *const env[], int flags)
{
	if (!real.execveat) /* glibc before 2.34 */
		return EXEC(true, (int)syscall(SYS_execveat, fd, path, argv, env, flags));
	return EXEC(true, real.execveat(fd, path, argv, env, flags));
}

/* The variadic ones: arguments to an array on the stack, as libc does. */
static size_t count_arguments(va_list args)
{
	size_t n = 1;

	while (va_arg(args, char *))
		n++;
	return n;
}

#define GATHER(argv, last, ret_env)               \
	va_list args_;                            \
	va_start(args_, last);                    \
	size_t n_ = count_arguments(args_);       \
	va_end(args_);                            \
	char *argv[n_ + 1];                       \
	argv[0] = (char *)last;                   \
	va_start(args_, last);                    \
	for (size_t i_ = 1; i_ <= n_; i_++)       \
		argv[i_] = va_arg(args_, char *); \
	ret_env va_end(args_)

HOOK int execl(const char *path, const char *arg, ...)
{
	GATHER(argv, arg, );
	return EXEC(is_program(path), real.execve(path, argv, environ));
}

HOOK int execlp(const char *file, const char *arg, ...)
{
	GATHER(argv, arg, );
	return EXEC(true, real.execvpe(file, argv, environ));
}

HOOK int execle(const char *path, const char *arg, ...)
{
	GATHER(argv, arg, char *const *env = va_arg(args_, char *const *););
	return EXEC(is_program(path), real.execve(path, argv, env));
}

/* After these the trace file may be out of reach. */
#define FAREWELL(call)                       \
	({                                   \
		lifecycle_before_farewell(); \
		(call);                      \
	})

HOOK int chroot(const char *path) { return FAREWELL(real.chroot(path)); }
HOOK int setuid(uid_t uid) { return FAREWELL(real.setuid(uid)); }
HOOK int seteuid(uid_t effective) { return FAREWELL(real.seteuid(effective)); }
HOOK int setreuid(uid_t uid, uid_t effective) { return FAREWELL(real.setreuid(uid, effective)); }
HOOK int setresuid(uid_t uid, uid_t effective, uid_t saved) { return FAREWELL(real.setresuid(uid, effective, saved)); }

HOOK __attribute__((noreturn)) void _exit(int status)
{
	lifecycle_end(PT_ENDED_EXIT, status & 255);
	for (;;) {
		if (real._exit)
			real._exit(status);
		syscall(SYS_exit_group, status);
	}
}

HOOK __attribute__((noreturn)) void _Exit(int status) { _exit(status); }

HOOK __attribute__((noreturn)) void abort(void)
{
	lifecycle_end(PT_ENDED_SIGNAL, SIGABRT);
	for (;;) {
		if (real.abort)
			real.abort();
		syscall(SYS_tgkill, os_pid(), os_tid(), SIGKILL);
	}
}
