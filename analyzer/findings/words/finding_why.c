/* SPDX-License-Identifier: Apache-2.0 */
/* finding_why: what a verdict rests on, in a sentence; and the run that would settle a doubt */
#include "analyzer/findings/words/finding_words.h"
#include "analyzer/findings/kinds/finding_kinds.h"

#include <string.h>

/* What each doubt means, and the run that would settle it. */
static const struct {
	const char *why, *decides;
} doubts[GROWTH_DOUBTS] = {
	[GROWTH_TOO_SHORT] = { "the run is too short to show whether it goes on growing",
			       "trace a run with several times the work" },
	[GROWTH_SLOWING] = { "it grew less and less, as a cache does that fills up",
			     "trace a run with twice the work: a cache stays as it is, a leak doubles" },
	[GROWTH_GAPS] = { "it grew in a part of the windows only", "trace a longer run with steady work" },
	[GROWTH_SAWTOOTH] = { "it fell in between, as garbage does that waits for its collection",
			      "trace a run with several times the work" },
	[GROWTH_IMPORTING] = { "it grew while modules were being imported, which ends when all are",
			       "trace a run that goes on after the last import" },
	[GROWTH_BUILDING] = { "nearly all that the program made came from one call, which may just build what it "
			      "returns",
			      "trace a run that goes on after that call" },
	[GROWTH_STOPPED] = { "it grew while the program worked, but then the program idled for much longer",
			     "trace a run in which the program goes on working" },
	[GROWTH_LITTLE] = { "it grew by too little to tell a leak from a small cache that fills up",
			    "trace a run with several times the work" },
	[GROWTH_WAITING] = { "nobody refers to it, and it may be dead tuples, lists or dicts that the interpreter "
			     "keeps for "
			     "the next ones, up to 2,000 of a size",
			     "trace a run with several times the work: free lists have a bound" },
	[GROWTH_GARBAGE] = { "nobody refers to it any more: it waits for the garbage collector, which is on",
			     "trace a run with several times the work: a full collection takes it" },
	[GROWTH_UNSEEN] = { "recording had been stopped, and while this came as many blocks went that were made "
			    "unseen, as "
			    "from a cache with a bound",
			    "record for longer, or a run from its start on" },
	[GROWTH_BOUNDED] = { "what holds it has a bound, which this run did not reach",
			     "trace a run with so many entries that old ones are thrown out" },
	[GROWTH_UNEVEN] = { "windows of the same work brought very different amounts, as in a program that builds "
			    "something of different inputs",
			    "mark each piece of work (libpytrace.mark) and trace a run with several times as many" },
	[GROWTH_GIVEN_BACK] = { "all of it was given back at once when the program ended, which may just have built "
				"it until then",
				"end the run in the middle of its work (by a signal, or os._exit), so that what grows "
				"is "
				"still there" },
	[GROWTH_EVICTING] = { "old blocks of it were given back while new ones came, as in a bounded cache",
			      "trace a run with several times the work: a bounded cache stops at its bound" },
};

/* "2.50 MiB in 3,000 blocks"; no blocks when larger ones took the place of smaller. */
static void put_grown(char *buf, size_t cap, const struct growth_evidence *e)
{
	uint64_t bytes = e->grown_bytes > 0 ? (uint64_t)e->grown_bytes : 0;

	if (e->grown_blocks > 0)
		snprintf(buf, cap, "%s in %s", format_bytes(bytes).text,
			 format_plural((uint64_t)e->grown_blocks, "block", "blocks").text);
	else
		snprintf(buf, cap, "%s", format_bytes(bytes).text);
}

/* "100 cycles that hold only themselves (300 objects): the collector was off since 20 ms". */
static char *cycle_reason(const struct finding *f, char *buf, size_t cap)
{
	const struct cycles *c = &f->trace->remains->cycles;
	char why[300];
	int used = snprintf(buf, cap, "%s, held by nobody else: ", format_plural(f->cycles, "cycle", "cycles").text);

	switch (f->reason) {
	case REMAINS_OFF:
		if (c->gc_enabled)
			snprintf(buf + used, cap - (size_t)used, "no collection starts by itself (threshold 0)");
		else
			snprintf(buf + used, cap - (size_t)used, "the collector was off since %s",
				 format_seconds((double)c->disabled_ns / 1e9).text);
		break;
	case REMAINS_FROZEN:
		snprintf(buf + used, cap - (size_t)used,
			 "in the permanent generation (gc.freeze), where no collection looks");
		break;
	case REMAINS_GROWING:
		snprintf(buf + used, cap - (size_t)used,
			 "the collector is on, but did not come to them, and there are more and more");
		break;
	default:
		snprintf(buf + used, cap - (size_t)used, "no collection frees them, for %s",
			 cycle_why(f->cycle->row->why, why, sizeof why));
		break;
	}
	return buf;
}

char *finding_why(const struct finding *f, char *buf, size_t cap)
{
	const struct growth_evidence *e = &f->sum.evidence;
	char grown[160];

	if (f->cycle)
		return cycle_reason(f, buf, cap);
	if (f->native.is)
		return finding_native_why(f, buf, cap);
	if (f->pin)
		return finding_fragments_why(f, buf, cap);
	if (f->lost.kind)
		return finding_lost_why(f, buf, cap);
	put_grown(grown, sizeof grown, e);
	if (f->sum.verdict == GROWTH_FOUND && f->trace->growth.marks)
		finding_marks_why(f, buf, cap);
	else if (f->sum.verdict == GROWTH_FOUND)
		snprintf(buf, cap,
			 "after the warm-up it grew in %u of %u windows of work, up to the end and without slowing "
			 "down, by %s",
			 e->growing, e->windows, grown);
	if (f->sum.verdict == GROWTH_FOUND && f->sum.given_bytes)
		snprintf(buf + strlen(buf), cap - strlen(buf), "; it was given back when the program ended");
	if (f->sum.verdict == GROWTH_FOUND)
		return buf;
	if (f->sum.verdict == GROWTH_HELD)
		snprintf(buf, cap, "it stays, but nothing shows that it grows without end");
	else if (f->sum.doubt == GROWTH_TOO_SHORT)
		snprintf(buf, cap, "%s", doubts[f->sum.doubt].why);
	else
		snprintf(buf, cap, "%s: it grew in %u of %u windows of work, by %s", doubts[f->sum.doubt].why,
			 e->growing, e->windows, grown);
	return buf;
}

/* A time between snapshots that gives several of them in a run as long as this one. */
static const char *lost_every(const struct finding *f)
{
	double run = (double)f->trace->remains->surplus.ns[f->trace->remains->surplus.n - 1] / 1e9;

	return run > 600 ? "60s" : run > 60 ? "10s" : run > 10 ? "1s" : run > 1 ? "100ms" : "10ms";
}

const char *finding_decides(const struct finding *f, char *buf, size_t cap)
{
	char watch[600];

	if (f->native.is)
		return "trace a run with several times the work: a leak grows with it";
	if (f->pin)
		return finding_fragments_decides();
	if (!f->lost.kind)
		return doubts[f->sum.doubt].decides;
	if (f->trace->remains->surplus.n < 4)
		snprintf(buf, cap, "trace a run with several snapshots (PYTRACE_SNAPSHOT=exit,every=%s)",
			 lost_every(f));
	else
		snprintf(buf, cap, "trace a run with several times the work");
	if (*finding_watch(f, watch, sizeof watch))
		snprintf(buf + strlen(buf), cap - strlen(buf), ", or one with %.300s", watch);
	return buf;
}
