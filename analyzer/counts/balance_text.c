/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of a balance says, in words. */
#include "analyzer/counts/balance.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *balance_verdict_name(enum balance_verdict v)
{
	static const char *const names[] = { "leak", "over", "undecided", "balanced" };

	return names[v];
}

const char *balance_where(const struct balance *b, const struct balance_row *r, char *buf, size_t cap)
{
	return owners_where(b->owners, r->owner, buf, cap);
}

struct text {
	char *at;
	size_t n, cap;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->n, t->cap - t->n, format, args);
	va_end(args);
	if (n > 0)
		t->n = t->n + (size_t)n < t->cap ? t->n + (size_t)n : t->cap - 1;
}

static const char *times(uint64_t n) { return n == 1 ? "time" : "times"; }

static void say_partners(struct text *t, const struct balance *b, const struct balance_row *r, const char *what)
{
	static const char *const hows[PAIR_HOWS] = {
		[PAIR_CALL] = "in the same call",
		[PAIR_PYTHON] = "",
		[PAIR_RETURNED] = "after it was left to it",
		[PAIR_DROPPED] = "by Python, which got it",
		[PAIR_HOLDER] = "",
		[PAIR_STORED] = "in another call",
		[PAIR_LATER] = "by Python, later",
		[PAIR_TAKEN] = "by Python",
	};

	for (int i = 0; i < 2 && r->partners[i].n; i++) {
		const struct balance_partner *p = &r->partners[i];
		char where[512];

		say(t, "%s %s%s%" PRIu64 " %s at %s", i ? " and" : ",", i ? "" : what, i ? "" : " ", p->n, times(p->n),
		    owners_where(b->owners, p->at, where, sizeof where));
		if (*hows[p->how])
			say(t, " %s", hows[p->how]);
	}
}

static void say_leak(struct text *t, const struct balance *b, const struct balance_row *r)
{
	say(t, " %" PRIu64 " %s %" PRIu64 " %s that nothing else accounts for.", r->leaked_objects,
	    r->leaked_objects == 1 ? "object still has" : "objects still have", r->leaked,
	    r->leaked == 1 ? "reference" : "references");
	if (r->twice * 2 > r->leaked)
		say(t, " Their call took another one, too, and gave neither.");
	if (r->guessed)
		say(t, " No snapshot says what refers to them.");
	else if (r->how[PAIR_STORED] && r->verdict == BALANCE_UNDECIDED)
		say(t, " It gives such back in other calls: it may hold them.");
	else if (owner_of(b->owners, r->owner.node)->import)
		say(t, " They were taken during an import, which may keep them.");
	else if (r->verdict == BALANCE_UNDECIDED)
		say(t, " That is too little to tell a leak from what C code holds on purpose.");
}

const char *balance_evidence(const struct balance *b, const struct balance_row *r, char *buf, size_t cap)
{
	struct text t = { buf, 0, cap };
	char where[512];

	if (!cap)
		return buf;
	*buf = 0;
	owners_where(b->owners, r->owner, where, sizeof where);
	if (r->over > r->leaked) {
		say(&t, "Given %" PRIu64 " %s at %s", r->gives, times(r->gives), where);
		say_partners(&t, b, r, "taken");
		say(&t, ". %" PRIu64 " %s counted as %" PRIu64 " %s less than exist.", r->over_objects,
		    r->over_objects == 1 ? "object is" : "objects are", r->over,
		    r->over == 1 ? "reference" : "references");
		return buf;
	}
	if (r->called && !r->takes)
		say(&t, "Returned %" PRIu64 " %s by the call at %s", r->leaked, times(r->leaked), where);
	else
		say(&t, "Taken %" PRIu64 " %s at %s", r->takes, times(r->takes), where);
	if (r->takes)
		say_partners(&t, b, r, "given back");
	say(&t, ".");
	if (r->leaked)
		say_leak(&t, b, r);
	return buf;
}
