/* SPDX-License-Identifier: Apache-2.0 */
/* run: starts a command with the tracer preloaded, waits as a shell would, and says in two lines what came out. We end
 * as the command ended: the same status, or the same signal. */
#include "analyzer/commands/run/launch.h"
#include "analyzer/base/mem.h"
#include "analyzer/findings/list/finding_list.h"

#include <stdlib.h>
#include <string.h>

struct run_options {
	const char *output, *mode, *follow, *programs, *max_size;
	bool quiet;
};

extern const struct command command_run;

static void print_worst(const struct report *r, const struct finding_list *findings)
{
	const struct finding *f = findings->at;
	const char *reservation = finding_reservation(r);
	char where[4096], safe[4096];

	if (!findings->n_found) {
		fprintf(stderr, "no leak found%s%s%s. Next: pytrace summary %s\n", reservation ? ", but " : "",
			reservation ? reservation : "", findings->n_undecided ? " (some undecided)" : "",
			launch_short_path(r->traces[0]->trace.file));
		return;
	}
	format_printable(safe, sizeof safe, place_where(finding_place(f), false, where, sizeof where));
	fprintf(stderr, "%s, %s %s at %s", format_plural(findings->n_found, "finding", "findings").text,
		findings->n_found > 1 ? "the worst:" : "a", finding_verdict(f), safe);
	if (f->all_rate > 0)
		fprintf(stderr, " by %s", format_rate(f->all_rate).text);
	fprintf(stderr, ". Next: pytrace leaks %s\n", launch_short_path(f->trace->trace.file));
}

/* Counts that could not be watched, or not as they would be elsewhere. */
static bool print_watch(const struct report_trace *t)
{
	const char *off = defs_meta(&t->trace.defs, "watch.off", NULL);
	char safe[1000];

	if (off && *off)
		fprintf(stderr, "pytrace: %s\n", format_printable(safe, sizeof safe, off));
	return off && *off;
}

static void print_verdict(const struct launch_traces *list)
{
	struct report r = { .traces = mem_zero(list->n + 1, sizeof *r.traces) };
	struct finding_list findings;
	uint64_t peak = 0, live = 0;
	bool told = false;

	for (size_t i = 0; i < list->n; i++) {
		struct fault fault = { 0 };
		struct report_trace *t = report_load(
			list->at[i].name, REPORT_GROWTH | REPORT_REMAINS | REPORT_FRAGMENTS, &r.common, NULL, &fault);

		if (!t) {
			fault_print(&fault, stderr);
			continue;
		}
		r.traces[r.n_traces++] = t;
		told = told || print_watch(t);
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

static void tell(const struct launch *l, uint64_t since_ns)
{
	struct launch_traces list = { 0 };

	launch_find(&list, l, since_ns);
	if (list.n) {
		launch_print_names(&list);
		print_verdict(&list);
	} else {
		fprintf(stderr, "pytrace: no trace was written: did the command run Python? (%s)\n", l->pattern);
	}
	launch_forget(&list);
}

static int run(int argc, char **argv)
{
	struct run_options own = { 0 };
	struct launch l = { .command = "run" };
	struct report r;
	uint64_t since_ns = launch_now_ns();
	int code = report_parse(&r, &command_run, &own, argc, argv), status = 0, error;
	const struct launch_variable set[] = {
		{ "PYTRACE_MODE", own.mode },
		{ "PYTRACE_FOLLOW", own.follow },
		{ "PYTRACE_PROGRAMS", own.programs },
		{ "PYTRACE_MAX_SIZE", own.max_size },
		{ 0 },
	};
	char **command;

	if (code != REPORT_GO)
		return code;
	if (!r.common.n_operands)
		return launch_fail(&l, "no command given", "", "try 'pytrace run -- python3 app.py'");
	l.set = set;
	code = launch_prepare(&l, own.output);
	if (code != LAUNCH_GO)
		return code;
	command = mem_zero((size_t)r.common.n_operands + 1, sizeof *command);
	memcpy(command, r.common.operands, (size_t)r.common.n_operands * sizeof *command);
	error = launch_run(&l, command, &status);
	if (!error && !own.quiet)
		tell(&l, since_ns);
	code = error ? launch_not_started(&l, command[0], error) : launch_end_alike(status);
	free(command);
	return code;
}

static const struct option_row rows[] = {
	LAUNCH_OPTION_ROWS(struct run_options),
	{ 0, "mode", OPTION_TEXT, offsetof(struct run_options, mode), "MODE",
	  "full (every event, the default) or off" },
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
