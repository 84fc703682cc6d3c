/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse ERROR PROGRAM ARGUMENT...: runs a program for which perf_event_open fails with an error (its number); or
 * ("taken") in which others have taken all watchpoints of the processor. As a container's seccomp profile, an old
 * kernel, a debugger would.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "refuse: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void filter(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("seccomp");
}

/* Until the kernel has no more. They stay with the process over exec, and open. */
static void take_watchpoints(void)
{
	static uint64_t word;
	int n = 0;

	for (; n < 16; n++) {
		struct perf_event_attr a = { .type = PERF_TYPE_BREAKPOINT, .size = sizeof a, .sample_period = 1 };

		a.bp_type = HW_BREAKPOINT_W;
		a.bp_addr = (uintptr_t)&word;
		a.bp_len = HW_BREAKPOINT_LEN_8;
		a.exclude_kernel = 1;
		a.inherit = 1;
		if (syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) < 0)
			break;
	}
	if (!n || errno != ENOSPC)
		fail("watchpoints");
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "refuse ERROR|taken PROGRAM ARGUMENT...\n");
		return 125;
	}
	if (!strcmp(argv[1], "taken"))
		take_watchpoints();
	else
		filter(atoi(argv[1]));
	execv(argv[2], argv + 2);
	fail(argv[2]);
}
