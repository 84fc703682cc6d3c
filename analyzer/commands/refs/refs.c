/* SPDX-License-Identifier: Apache-2.0 */
/* refs: how reference counts came to be what they are. The other questions, --surplus and --hunt, have files of their
 * own. */
#include "analyzer/commands/refs/refs_hunt.h"
#include "analyzer/commands/refs/refs_show.h"
#include "analyzer/commands/refs/refs_surplus.h"
#include "analyzer/findings/words/suspects.h"

#include <string.h>

#define SUSPECT_PERHAPS 2 /* rank of those that may well be healthy */

extern const struct command command_refs;

struct refs_all {
	struct refs_options own;
	bool unwatched;                 /* there is nothing to show: only what to do */
	ARRAY(struct refs_report *) at; /* in the order in which the traces were opened */
};

/* What `refs` is asked for: a question is a row, its options are rows of refs' own page. */
static const struct question {
	const char *option;
	int (*run)(int argc, char **argv);
} questions[] = {
	{ "--hunt", refs_hunt },
	{ "--surplus", refs_surplus },
	{ "--suspects", refs_surplus },
};

/* The first row of which the line has the option; NULL: none. */
static const struct question *find_question(int argc, char **argv)
{
	for (size_t k = 0; k < sizeof questions / sizeof *questions; k++)
		for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
			if (!strncmp(argv[i], questions[k].option, strlen(questions[k].option)))
				return &questions[k];
	return NULL;
}

/* Whether any of the traces has watches. The headers tell. */
static bool was_watched(const struct options_common *common)
{
	bool any = false;

	for (int i = 0; i < common->n_operands && !any; i++) {
		struct trace t = { 0 };

		any = trace_open(&t, common->operands[i], NULL) || defs_meta(&t.defs, "watch", NULL);
		trace_close(&t);
	}
	return any;
}

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct refs_all *all = self;
	struct refs_report *x;

	if (cap < REFS_MODELS)
		return 0;
	t->own = x = *array_push(&all->at) = refs_new(&all->own, t, !all->unwatched);
	return refs_listen(x, models);
}

/* Who loses references, as 'pytrace leaks' has it. */
static void find_suspect(struct report *r, struct refs_report *x)
{
	struct finding_list findings;
	struct suspects suspects;

	finding_list_init(&findings, r);
	suspects_find(&suspects, r, &findings);
	if (suspects.at.n && suspects.at.at[0].rank < SUSPECT_PERHAPS)
		snprintf(x->suspect, sizeof x->suspect, "%s", suspects.at.at[0].rule);
	suspects_free(&suspects);
	finding_list_free(&findings);
}

static void write_json(struct report *r)
{
	json_t *list = json_array();

	refs_json(r->json, r->traces[0]->own);
	for (size_t i = 0; r->n_traces > 1 && i < r->n_traces; i++) {
		json_t *o = json_object();

		json_put(o, "pid", json_integer(r->traces[i]->trace.front.pid));
		refs_json(o, r->traces[i]->own);
		json_add(list, o);
	}
	json_put(r->json, "processes", list);
}

static void print_trace(struct report *r, const struct report_trace *t, const void *options)
{
	(void)options;
	refs_print(r, t->own);
}

static bool selects_none(const struct refs_options *own)
{
	return !own->type && !own->site && !own->address && !own->object;
}

static void show(struct report *r, const struct refs_all *all)
{
	for (size_t i = 0; i < all->at.n; i++)
		refs_settle(all->at.at[i]);
	if (all->unwatched && all->at.n)
		find_suspect(r, r->traces[0]->own);
	if (r->json)
		write_json(r);
	else
		report_print_processes(r, print_trace, NULL);
}

static int run(int argc, char **argv)
{
	const struct question *other = find_question(argc, argv);
	struct refs_all all = { .own.limit = REFS_NOT_SET };
	struct report r;
	int code;

	if (other)
		return other->run(argc, argv);
	code = report_parse(&r, &command_refs, &all.own, argc, argv);
	if (code != REPORT_GO)
		return code;
	all.unwatched = selects_none(&all.own) && !was_watched(&r.common);
	r.listener = (struct report_listener){ listen, &all };
	code = report_open(&r, all.unwatched ? REPORT_GROWTH | REPORT_REMAINS : REPORT_ACCOUNT);
	if (code == REPORT_GO) {
		show(&r, &all);
		code = report_end(&r);
	}
	for (size_t i = 0; i < all.at.n; i++)
		refs_free(all.at.at[i]);
	array_free(&all.at);
	return code;
}

static const struct option_row rows[] = {
	{ 0, "tree", OPTION_FLAG, offsetof(struct refs_options, tree), NULL,
	  "the balance tree: what is taken and given by stack, the outermost line first" },
	{ 0, "raw", OPTION_FLAG, offsetof(struct refs_options, raw), NULL,
	  "every change, not the net effect of each line" },
	{ 0, "object", OPTION_NUMBER, offsetof(struct refs_options, object), "N", "the object of watch N only" },
	{ 0, "type", OPTION_TEXT, offsetof(struct refs_options, type), "NAME",
	  "objects of this type only: its name or the end of it; those that nobody watched, too" },
	{ 0, "site", OPTION_TEXT, offsetof(struct refs_options, site), "FILE:LINE",
	  "objects made there only; those that nobody watched, too" },
	{ 0, "address", OPTION_TEXT, offsetof(struct refs_options, address), "0xADDRESS",
	  "objects at this address only; those that nobody watched, too" },
	{ 'n', "limit", OPTION_NUMBER, offsetof(struct refs_options, limit), "N",
	  "objects to print (3; in JSON 1000), 0 for all" },
	{ 0, "surplus", OPTION_FLAG, offsetof(struct refs_options, surplus), NULL,
	  "counts above the references that exist, at the last snapshot" },
	{ 0, "suspects", OPTION_TEXT, offsetof(struct refs_options, suspects), "FILE",
	  "write the rules that watch who loses references, for PYTRACE_WATCH=suspects:FILE" },
	{ 0, "hunt", OPTION_FLAG, offsetof(struct refs_options, hunt), NULL,
	  "run a command, pick suspects, run it again watching them, and print who is to blame" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "run -- env PYTRACE_WATCH=type:Session python app.py", "record every change of the counts of sessions" },
	{ "refs app.71.pytrace", "who takes references and does not give them back, and some histories" },
	{ "refs --object 12 --raw app.71.pytrace", "every change of one count" },
	{ "refs --type Session app.71.pytrace", "also those that were not watched: their counts at each snapshot" },
	{ "refs --hunt -- python app.py", "find the culprit, in two runs" },
	{ 0 },
};

const struct command command_refs = {
	.page =
		{
			.name = "refs",
			.summary = "reference counts: every change of watched objects, and who does not give back",
			.operands = "TRACE...",
			.details =
				"Counts are recorded of the objects that PYTRACE_WATCH chooses, from the birth on. Each "
				"change has its stack; the line is the innermost one that is somebody's to change, of "
				"Python or of an extension in C.\n\n"
				"Temporaries are left out: what one activation of a line does to the count is summed up, "
				"so that pushing an object for a call and popping it afterwards is nothing, and what is "
				"left of a line is its net effect. --raw shows all of it.\n\n"
				"Objects that nobody watched have points: their counts at the snapshots, and how many of "
				"these references the snapshot knows.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
