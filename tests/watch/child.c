/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: a child that no handler of fork knows of, and that sets its signals before it does anything else
 *
 * Knows nothing of Python: the function that changes the count is handed in. Compiled by tests/test_watch_refused.py.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* 1 in the child; in the parent what became of it, negative. */
int child(void (*change)(void *object), void *object, int n)
{
	struct sigaction none;
	int status, pid = (int)syscall(SYS_fork);

	if (pid) {
		waitpid(pid, &status, 0);
		return -status;
	}
	memset(&none, 0, sizeof none);
	none.sa_handler = SIG_DFL;
	sigaction(SIGSEGV, &none, NULL);
	sigaction(SIGTRAP, &none, NULL);
	while (n--)
		change(object);
	return 1;
}
