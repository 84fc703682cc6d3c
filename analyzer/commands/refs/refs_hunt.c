/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refs --hunt: runs a command twice: first to see whose references are not given back, then to see who takes them
 *
 * The first run takes snapshots; what has more references than exist is suspected (words/suspects.h), the rules go
 * into a file beside the trace. The second run watches the counts of such objects from their birth on, and the balance
 * of takes and gives names the line (counts/balance.h). The command's output is its own in both runs; we speak on
 * stderr, and end as its last run did.
 */
#include "analyzer/commands/run/launch.h"
#include "analyzer/commands/refs/refs_advice.h"
#include "analyzer/commands/refs/refs_hunt.h"
#include "analyzer/commands/refs/refs_show.h"
#include "analyzer/findings/words/suspects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Nobody is watched, but lists, dicts and tuples are kept off free lists, so that their lines are their own. */
#define OFF_FREE_LISTS "means:none,type:list,type:dict,type:tuple"
#define SNAPSHOTS      "exit,every=1s"
#define CULPRITS_MAX   5
#define SUSPECTS_SHOWN 3
#define DIFFERS        20 /* percent of the blocks made */

struct hunt_options {
	bool hunt, quiet;
	const char *output, *follow, *programs, *max_size;
};

/* One run, and what came of it. */
struct hunt_run {
	struct launch_traces traces;
	struct report r; /* all of them, opened */
	int status;
	uint64_t blocks; /* made in all of them */
};

struct hunt {
	const struct hunt_options *own;
	struct launch l;
	char **command;
	struct suspects suspects;
	struct hunt_run first, second;
	ARRAY(struct refs_report *) refs; /* of the second run */
	char file[4400];                  /* of the suspects */
};

static void tell(const char *text)
{
	fputs("pytrace: ", stderr);
	format_wrapped(stderr, text, 9, 9, 100);
}

/* ---- the runs ---- */

static bool start(struct hunt *h, struct hunt_run *run, const struct launch_variable *extra, int *ret_error)
{
	const struct launch_variable set[] = {
		extra[0],
		extra[1],
		{ "PYTRACE_FOLLOW", h->own->follow },
		{ "PYTRACE_PROGRAMS", h->own->programs },
		{ "PYTRACE_MAX_SIZE", h->own->max_size },
		{ "PYTRACE_MODE", "full" },
		{ 0 },
	};
	uint64_t since_ns = launch_now_ns();

	h->l.set = set;
	*ret_error = launch_run(&h->l, h->command, &run->status);
	h->l.set = NULL;
	if (*ret_error)
		return false;
	launch_find(&run->traces, &h->l, since_ns);
	if (run->traces.n) {
		launch_print_names(&run->traces);
		return true;
	}
	fprintf(stderr, "pytrace: no trace was written: did the command run Python? (%s)\n", h->l.pattern);
	return false;
}

static void load(struct hunt_run *run, unsigned needs, const struct report_listener *listener)
{
	run->r.traces = mem_zero(run->traces.n + 1, sizeof *run->r.traces);
	for (size_t i = 0; i < run->traces.n; i++) {
		struct fault fault = { 0 };
		struct report_trace *t = report_load(run->traces.at[i].name, needs, &run->r.common, listener, &fault);

		if (!t) {
			fault_print(&fault, stderr);
			continue;
		}
		run->r.traces[run->r.n_traces++] = t;
		run->blocks += t->account.total.blocks;
	}
}

static void unload(struct hunt_run *run)
{
	for (size_t i = 0; i < run->r.n_traces; i++)
		report_unload(run->r.traces[i]);
	free(run->r.traces);
	launch_forget(&run->traces);
}

/* ---- the first: suspects ---- */

static void print_no_suspects(const struct hunt_run *run, const struct finding_list *findings)
{
	char text[600], where[300];
	const struct finding *f = findings->at;

	tell("no suspects: no object has references that nobody holds, beyond those that healthy programs have.");
	if (!findings->n_found)
		return;
	snprintf(text, sizeof text, "It leaks otherwise: %s at %.250s; 'pytrace leaks %.200s' shows it.",
		 finding_verdict(f), place_where(finding_place(f), false, where, sizeof where),
		 launch_short_path(run->r.traces[0]->trace.file));
	tell(text);
}

static bool find_suspects(struct hunt *h)
{
	struct finding_list findings;
	bool any;

	load(&h->first, REPORT_GROWTH | REPORT_REMAINS, NULL);
	if (!h->first.r.n_traces)
		return false;
	finding_list_init(&findings, &h->first.r);
	suspects_find(&h->suspects, &h->first.r, &findings);
	any = h->suspects.at.n;
	if (!any)
		print_no_suspects(&h->first, &findings);
	finding_list_free(&findings);
	snprintf(h->file, sizeof h->file, "%s.suspects", h->first.r.traces[0]->trace.file);
	return any && suspects_write(&h->suspects, &h->first.r, h->file, true);
}

static void print_suspects(const struct hunt *h)
{
	char text[1200];

	snprintf(text, sizeof text, "%s, in %.800s; the second run watches them.",
		 format_plural(h->suspects.at.n, "suspect", "suspects").text, launch_short_path(h->file));
	tell(text);
	for (size_t i = 0; i < h->suspects.at.n && i < SUSPECTS_SHOWN; i++)
		tell(h->suspects.at.at[i].why);
}

/* ---- the second: the culprit ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	static const struct refs_options own = { .limit = 0 };
	struct hunt *h = self;

	if (cap < REFS_MODELS)
		return 0;
	return refs_listen(*array_push(&h->refs) = refs_new(&own, t, true), models);
}

/* How many references the first run showed on objects of the type; 0: it did not. */
static uint64_t suspected(const struct hunt *h, const char *type)
{
	size_t len = strlen(type);
	uint64_t n = 0;

	for (size_t i = 0; i < h->suspects.at.n; i++) {
		const char *rule = h->suspects.at.at[i].rule;

		if (!strncmp(rule, "type:", 5) && !strncmp(rule + 5, type, len) &&
		    (!rule[5 + len] || rule[5 + len] == ' '))
			n += h->suspects.at.at[i].references;
	}
	return n;
}

/* "reference-leak: 500 references on app.Foo objects". */
static int put_head(const struct hunt *h, const struct refs_report *x, const struct balance_row *row, char *buf,
		    size_t cap)
{
	uint64_t n = suspected(h, defs_type_name(&x->t->trace.defs, row->type));

	if (row->verdict == BALANCE_OVER)
		return snprintf(buf, cap, "given back too often: %s on %.300s objects",
				format_plural(row->over, "reference", "references").text,
				defs_type_name(&x->t->trace.defs, row->type));
	return snprintf(buf, cap, "%s: %s on %.300s objects",
			row->verdict == BALANCE_LEAK ? "reference-leak" : "undecided",
			format_plural(n ? n : row->leaked, "reference", "references").text,
			defs_type_name(&x->t->trace.defs, row->type));
}

static void print_row(const struct hunt *h, struct refs_report *x, const struct balance_row *row)
{
	const struct place *p = owner_place(&x->t->places, row->owner);
	char text[4000], where[600], function[300], evidence[1200], safe[4000];
	int used = put_head(h, x, row, text, sizeof text);

	snprintf(text + used, sizeof text - (size_t)used, "; %s at %.500s in %.250s and not %s. %.1000s",
		 row->verdict == BALANCE_OVER ? "given back" : "taken", place_where(p, false, where, sizeof where),
		 place_function(p, false, function, sizeof function),
		 row->verdict == BALANCE_OVER ? "taken before" : "given back",
		 balance_evidence(&x->balance, row, evidence, sizeof evidence));
	tell(format_printable(safe, sizeof safe, text));
}

/* The worst of all processes: rows of the first verdict that there is. Returns how many were printed. */
static size_t print_rows(struct hunt *h, enum balance_verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < h->refs.n; i++) {
		const struct balance *b = &h->refs.at[i]->balance;

		for (size_t k = 0; k < b->rows.n && n < CULPRITS_MAX; k++) {
			if (b->rows.at[k].verdict != verdict)
				continue;
			print_row(h, h->refs.at[i], &b->rows.at[k]);
			n++;
		}
	}
	return n;
}

static void print_balanced(struct hunt *h)
{
	uint64_t watched = 0, died = 0, unexplained = 0;
	char text[2500], advice[2000];

	for (size_t i = 0; i < h->refs.n; i++) {
		watched += h->refs.at[i]->balance.objects;
		died += h->refs.at[i]->balance.died;
		unexplained += h->refs.at[i]->balance.unexplained;
	}
	if (unexplained) {
		snprintf(text, sizeof text,
			 "undecided: %s on watched objects that nobody holds, but no line of an extension took them: "
			 "they were "
			 "taken inside Python's own code (by ctypes?), or before the object was watched.",
			 format_plural(unexplained, "reference", "references").text);
		tell(text);
	} else if (watched) {
		snprintf(text, sizeof text,
			 "no culprit: of the suspects %s watched, %s of them died as they should, and every reference "
			 "that "
			 "was taken was given back or is held. What seemed too much is held by C code on purpose.",
			 format_plural(watched, "object was", "objects were").text, format_count(died).text);
		tell(text);
	}
	for (size_t i = 0; !watched && i < h->refs.n; i++)
		tell(refs_advice(h->refs.at[i], advice, sizeof advice));
}

/* What of the second run was another than the first: an answer may rest on it. */
static void print_differences(const struct hunt *h)
{
	uint64_t a = h->first.blocks, b = h->second.blocks;
	char text[300];

	if (h->first.status != h->second.status) {
		snprintf(text, sizeof text, "the runs ended differently: first with %s %d, then with %s %d",
			 WIFEXITED(h->first.status) ? "status" : "signal",
			 WIFEXITED(h->first.status) ? WEXITSTATUS(h->first.status) : WTERMSIG(h->first.status),
			 WIFEXITED(h->second.status) ? "status" : "signal",
			 WIFEXITED(h->second.status) ? WEXITSTATUS(h->second.status) : WTERMSIG(h->second.status));
		tell(text);
	}
	if (h->first.traces.n != h->second.traces.n) {
		snprintf(text, sizeof text, "the runs differ: %zu processes were traced first, then %zu",
			 h->first.traces.n, h->second.traces.n);
		tell(text);
	}
	if ((a > b ? a - b : b - a) * 100 > a * DIFFERS) {
		snprintf(text, sizeof text, "the runs differ: %s were made first, then %s",
			 format_plural(a, "block", "blocks").text, format_count(b).text);
		tell(text);
	}
}

static void find_culprit(struct hunt *h)
{
	const struct report_listener listener = { listen, h };
	char text[1200];

	load(&h->second, REPORT_ACCOUNT, &listener);
	for (size_t i = 0; i < h->refs.n; i++)
		refs_settle(h->refs.at[i]);
	print_differences(h);
	if (!(print_rows(h, BALANCE_LEAK) + print_rows(h, BALANCE_OVER)) && !print_rows(h, BALANCE_UNDECIDED))
		print_balanced(h);
	if (!h->second.r.n_traces)
		return;
	snprintf(text, sizeof text, "The histories: pytrace refs %.1000s",
		 launch_short_path(h->second.r.traces[0]->trace.file));
	tell(text);
}

/* ---- the command ---- */

static const struct option_row rows[] = {
	{ 0, "hunt", OPTION_FLAG, offsetof(struct hunt_options, hunt), NULL,
	  "run a command, pick suspects, run it again watching them, and print who is to blame" },
	LAUNCH_OPTION_ROWS(struct hunt_options),
	{ 0 },
};

static const struct option_example examples[] = {
	{ "refs --hunt -- python3 app.py", "who takes references and does not give them back, in two runs" },
	{ 0 },
};

static const struct command command = {
	.page =
		{
			.name = "refs",
			.summary = "run a command twice, and say who does not give references back",
			.operands = "--hunt -- COMMAND [ARGUMENT...]",
			.details =
				"The first run takes snapshots (PYTRACE_SNAPSHOT=" SNAPSHOTS " unless it is set) and shows "
				"which objects have more references than exist; the second one watches their counts. The "
				"command must be one that can be repeated: it should do the same both times. Both traces "
				"are kept, and so is the list of suspects. It ends as the command's last run did.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_FIRST,
		},
};

/* Both runs. Returns the exit code. */
static int hunt(struct hunt *h)
{
	const char *snapshots = getenv("PYTRACE_SNAPSHOT");
	const struct launch_variable look[] = { { "PYTRACE_SNAPSHOT", snapshots && *snapshots ? NULL : SNAPSHOTS },
						{ "PYTRACE_WATCH", OFF_FREE_LISTS } };
	struct launch_variable watch[] = { { "PYTRACE_SNAPSHOT", "exit" }, { "PYTRACE_WATCH", NULL } };
	char rules[4500];
	int error;

	if (!start(h, &h->first, look, &error))
		return error ? launch_not_started(&h->l, h->command[0], error) : launch_end_alike(h->first.status);
	if (!find_suspects(h))
		return launch_end_alike(h->first.status);
	print_suspects(h);
	snprintf(rules, sizeof rules, "suspects:%s", h->file);
	watch[1].value = rules;
	if (!start(h, &h->second, watch, &error))
		return error ? launch_not_started(&h->l, h->command[0], error) : launch_end_alike(h->second.status);
	find_culprit(h);
	return launch_end_alike(h->second.status);
}

int refs_hunt(int argc, char **argv)
{
	struct hunt_options own = { 0 };
	struct hunt h = { .own = &own, .l = { .command = "refs --hunt" } };
	struct report r;
	int code = report_parse(&r, &command, &own, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (!r.common.n_operands)
		return launch_fail(&h.l, "no command given", "", "try 'pytrace refs --hunt -- python3 app.py'");
	code = launch_prepare(&h.l, own.output);
	if (code != LAUNCH_GO)
		return code;
	h.command = mem_zero((size_t)r.common.n_operands + 1, sizeof *h.command);
	memcpy(h.command, r.common.operands, (size_t)r.common.n_operands * sizeof *h.command);
	code = hunt(&h);
	for (size_t i = 0; i < h.refs.n; i++)
		refs_free(h.refs.at[i]);
	array_free(&h.refs);
	unload(&h.first);
	unload(&h.second);
	suspects_free(&h.suspects);
	free(h.command);
	return code;
}
