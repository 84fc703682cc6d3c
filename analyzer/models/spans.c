/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/spans.h"

static void open_span(struct spans *s, uint64_t ns, uint32_t why)
{
	*array_push(&s->at) = (struct span){ .from_ns = ns, .why = why };
	s->on = true;
}

/* The process of a fork, or PYTRACE_START=0, says PAUSE first of all: then there was no span before. */
static void close_span(struct spans *s, uint64_t ns, uint32_t why)
{
	struct span *last = &s->at.at[s->at.n - 1];

	last->to_ns = ns;
	last->why_not = why;
	s->on = false;
	if (s->at.n == 1 && !last->why && (why == PT_PAUSE_OPTION || why == PT_PAUSE_FORK))
		s->at.n = 0;
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct spans *s = self;

	(void)r;
	if (ev->op == PT_OP_PAUSE && s->on)
		close_span(s, now->ns, (uint32_t)ev->addr);
	else if (ev->op == PT_OP_RESUME && !s->on)
		open_span(s, now->ns, (uint32_t)ev->addr);
	s->is_whole = s->is_whole && ev->op != PT_OP_PAUSE;
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct spans *s = self;

	(void)r;
	if (s->end_ns < now->ns)
		s->end_ns = now->ns;
	if (s->on)
		close_span(s, s->end_ns, 0);
	for (size_t i = 0; i < s->at.n; i++)
		s->recorded_ns += s->at.at[i].to_ns - s->at.at[i].from_ns;
}

void spans_init(struct spans *s, const struct trace *t)
{
	*s = (struct spans){ .end_ns = t->end_ns, .is_whole = true };
	s->model = (struct model){ .self = s, .event = on_event, .finish = on_finish };
	open_span(s, 0, 0);
}

void spans_free(struct spans *s) { array_free(&s->at); }
