/* SPDX-License-Identifier: Apache-2.0 */
/* check: the gate for continuous integration: exit code 1 when a run leaks what the project does not know of */
#include "analyzer/gate/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLERANCE 10 /* percent */

struct check_options {
	const char *verdicts, *baseline, *suppressions, *junit, *sarif;
	const char *mark_budget;
	uint64_t budget, tolerance;
	bool update, accept, github;
};

extern const struct command command_check;

static int wrong(const char *what, const char *name)
{
	fprintf(stderr, "pytrace check: %s%s (see 'pytrace check --help')\n", what, name);
	return EXIT_USAGE;
}

/* Whether all words of the list are verdicts: else 2 after a line. */
static int look_at_verdicts(const char *list)
{
	char word[64];

	while (list && *list) {
		size_t len = strcspn(list, ",");

		snprintf(word, sizeof word, "%.*s", (int)len, list);
		if (!gate_is_verdict(word))
			return wrong("no such verdict: ", word);
		list += len + (list[len] == ',');
	}
	return 0;
}

/* Reads what the options name. 0, or an exit code after a line. */
static int read_rules(struct gate_rules *rules, const struct check_options *own)
{
	struct fault fault;
	bool absent = true;

	*rules = (struct gate_rules){ .verdicts = own->verdicts,
				      .budget_bytes = own->budget,
				      .tolerance = own->tolerance };
	if ((own->update || own->accept) && !own->baseline)
		return wrong("--update-baseline and --accept need --baseline FILE", "");
	if (look_at_verdicts(own->verdicts))
		return EXIT_USAGE;
	rules->by_mark = own->mark_budget;
	if (own->mark_budget && !options_size(own->mark_budget, &rules->mark_budget_bytes))
		return wrong("--budget-per-mark needs a size: ", own->mark_budget);
	if ((own->suppressions && suppressions_read(&rules->suppressions, own->suppressions, &fault)) ||
	    (own->baseline && baseline_read(&rules->baseline, own->baseline, &absent, &fault))) {
		fault_print(&fault, stderr);
		return EXIT_USAGE;
	}
	rules->has_baseline = !absent;
	rules->accepts = own->accept || (own->update && absent);
	if (own->baseline && absent && !own->update && !own->accept)
		fprintf(stderr, "pytrace check: no baseline %s yet; --update-baseline makes it\n", own->baseline);
	return 0;
}

/* ---- what is written beside the report ---- */

static bool write_sarif(const struct gate *g, const struct report *r, FILE *f)
{
	(void)r;
	return gate_sarif(g, f);
}

/* Overwrites: such files are made anew by each run. */
static bool write_beside(const char *name, const struct gate *g, const struct report *r,
			 bool (*write)(const struct gate *g, const struct report *r, FILE *f))
{
	struct output out;

	if (!name)
		return true;
	if (!output_open(&out, name, true))
		return false;
	if (!write(g, r, out.file)) {
		fprintf(stderr, "pytrace check: '%s' could not be written\n", name);
		output_abandon(&out);
		return false;
	}
	return output_close(&out);
}

static bool write_baseline(const struct gate *g, const struct check_options *own)
{
	struct baseline next = gate_next_baseline(g);
	struct output out;
	bool good;

	if (!output_open(&out, own->baseline, true)) {
		baseline_free(&next);
		return false;
	}
	good = baseline_write(&next, out.file);
	if (good)
		fprintf(stderr, "pytrace check: %s has %s now\n", own->baseline,
			format_plural(next.at.n, "finding", "findings").text);
	baseline_free(&next);
	return output_close(&out) && good;
}

static bool write_files(const struct gate *g, const struct report *r, const struct check_options *own)
{
	bool good = write_beside(own->junit, g, r, gate_junit) && write_beside(own->sarif, g, r, write_sarif);

	if (own->github)
		gate_github(g, r->json && !r->out.name ? stderr : stdout);
	if (good && (own->update || own->accept))
		good = write_baseline(g, own);
	return good;
}

/* ---- the command ---- */

static int judge(struct report *r, struct gate_rules *rules, const struct check_options *own)
{
	struct finding_list list;
	struct gate gate;
	struct gate_marks marks;
	bool fails, written;

	if (rules->by_mark && !gate_weigh_marks(&marks, r))
		return wrong("--budget-per-mark: no label was set often enough, and over most of the run, to judge by "
			     "(libpytrace.mark, 8 times or more after the warm-up)",
			     "");
	finding_list_init(&list, r);
	gate_judge(&gate, rules, r, &list);
	if (r->json)
		gate_json(r, &gate, &list);
	else
		gate_print(r, &gate);
	fails = gate.fails;
	written = write_files(&gate, r, own);
	gate_free(&gate);
	finding_list_free(&list);
	return !written ? EXIT_USAGE : fails ? EXIT_FOUND : EXIT_FINE;
}

static int run(int argc, char **argv)
{
	struct check_options own = { .tolerance = TOLERANCE };
	struct gate_rules rules;
	struct report r;
	int code = report_parse(&r, &command_check, &own, argc, argv), end;

	if (code != REPORT_GO)
		return code;
	code = read_rules(&rules, &own);
	if (!code)
		code = report_open(&r, REPORT_GROWTH | REPORT_REMAINS | REPORT_FRAGMENTS | REPORT_TYPES);
	if (code == REPORT_GO) {
		code = judge(&r, &rules, &own);
		end = report_end(&r);
		code = end ? end : code;
	}
	suppressions_free(&rules.suppressions);
	baseline_free(&rules.baseline);
	return code;
}

static const struct option_row rows[] = {
	{ 0, "budget", OPTION_SIZE, offsetof(struct check_options, budget), "BYTES",
	  "pass as long as new findings hold no more than this in all (0)" },
	{ 0, "budget-per-mark", OPTION_TEXT, offsetof(struct check_options, mark_budget), "BYTES",
	  "what each mark of the program (libpytrace.mark) may leave behind, after the warm-up" },
	{ 0, "verdicts", OPTION_TEXT, offsetof(struct check_options, verdicts), "LIST",
	  "only these fail: growth, native-unreachable, cycle-garbage, cycle-uncollectable, ... with commas" },
	{ 0, "baseline", OPTION_TEXT, offsetof(struct check_options, baseline), "FILE",
	  "known findings pass while they do not get worse" },
	{ 0, "tolerance", OPTION_NUMBER, offsetof(struct check_options, tolerance), "PERCENT",
	  "by which a known finding may exceed its baseline (10)" },
	{ 0, "update-baseline", OPTION_FLAG, offsetof(struct check_options, update), NULL,
	  "make the baseline; or take out of it what is gone, and lower what got better" },
	{ 0, "accept", OPTION_FLAG, offsetof(struct check_options, accept), NULL,
	  "put all that is there into the baseline, as it is, and pass" },
	{ 0, "suppressions", OPTION_TEXT, offsetof(struct check_options, suppressions), "FILE",
	  "lines leak:PATTERN, type:PATTERN, verdict:NAME PATTERN, as LeakSanitizer's" },
	{ 0, "junit", OPTION_TEXT, offsetof(struct check_options, junit), "FILE", "write JUnit XML" },
	{ 0, "sarif", OPTION_TEXT, offsetof(struct check_options, sarif), "FILE", "write SARIF 2.1.0" },
	{ 0, "github", OPTION_FLAG, offsetof(struct check_options, github), NULL,
	  "print annotations for GitHub on stdout" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "check app.71.pytrace", "exit code 1 when there is a leak" },
	{ "check --baseline leaks.json --update-baseline app.*.pytrace", "known leaks pass, and become fewer" },
	{ "check --suppressions leaks.supp --junit leaks.xml app.*.pytrace", "for Jenkins, GitLab" },
	{ "check --budget-per-mark 100 --warmup 50 app.71.pytrace", "for a service that marks its requests" },
	{ "check --github --sarif leaks.sarif app.*.pytrace", "annotates the lines of a pull request" },
	{ 0 },
};

const struct command command_check = {
	.page =
		{
			.name = "check",
			.summary = "the gate for continuous integration: fails when a run leaks",
			.operands = "TRACE...",
			.details =
				"Fails (exit code 1) on the findings of 'pytrace leaks' that are new. What is undecided "
				"never fails.\n\n"
				"A baseline is a small file for the repository: the fingerprints of the leaks that the "
				"project knows of, with their bytes. They pass while they do not hold more than that "
				"and the tolerance. --update-baseline takes out what was mended, and never puts in what "
				"is new, but for the first time, when there is no file; --accept does.\n\n"
				"With --budget-per-mark growth is judged by what a mark of the program leaves behind: "
				"all that was alive at the last mark, less what was alive after the warm-up, over the "
				"marks in between, of the worst process. Within the budget no growth fails, beyond it "
				"the lines that grew most are named. A trace without marks is an error.\n\n"
				"A suppression matches the function, file or module of any frame (leak:), the type "
				"(type:) or both verdict and frame (verdict:growth serve). A pattern may lie "
				"anywhere in the text; * stands for any text, ^ and $ tie it to the ends. Those of no "
				"use are named.\n\n"
				"Fingerprints are made of the verdict and the innermost functions of your own code with their "
				"files' names: the same on other machines, in other folders, after edits elsewhere.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS | OPTIONS_WARMUP,
		},
	.run = run,
};
