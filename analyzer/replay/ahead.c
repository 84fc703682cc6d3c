/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/replay/ahead.h"
#include "analyzer/read/unpack.h"

#include <pthread.h>
#include <unistd.h>

enum {
	AHEAD = 8,       /* parts */
	MAX_WORKERS = 4, /* replay takes longer than decoding: a few keep it fed */
	FEW_PARTS = 4,   /* a trace with fewer is decoded before a thread has started */
};

struct ahead {
	const struct trace *t;
	struct unpacker *unpacker; /* of the merging thread */
	pthread_t workers[MAX_WORKERS];
	int n_workers;
	pthread_mutex_t lock;
	pthread_cond_t room, ready; /* for workers, for the merge */
	/* Protected by lock: */
	struct decoded *made[AHEAD]; /* part i, when it is decoded, lies at i % AHEAD */
	struct decoded *spare;
	size_t taken; /* parts below have been begun by somebody */
	size_t asked; /* parts below have been asked for */
	bool stop;
};

/* ---- decoding one part ---- */

static void add_span(struct decoded *d, size_t start, uint64_t run, uint64_t ns)
{
	*array_push(&d->spans) = (struct span){ (uint32_t)start, run, ns };
}

/* Cuts the events where a RUN or TIME event says so. `knows` guards against a schema that means something else. */
static void find_spans(struct decoded *d, const struct part *p, const bool knows[256])
{
	uint64_t run = p->first_run, ns = p->first_ns;

	d->spans.n = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct pt_event *ev = &d->events[i];
		bool dated = (ev->op == PT_OP_RUN || ev->op == PT_OP_TIME) && knows[ev->op];

		if (dated && ev->op == PT_OP_RUN)
			run = ev->addr;
		if (dated)
			ns = ev->size;
		if (dated || i == 0)
			add_span(d, i, run, ns);
	}
}

static void decode(const struct trace *t, struct unpacker *u, size_t index, struct decoded *d)
{
	const struct part *p = &t->parts.at[index];

	if (d->cap < p->n_events) {
		/* Parts differ a little in size: some more room spares the next one new pages. */
		free(d->events);
		d->cap = p->n_events + p->n_events / 4;
		d->events = mem_alloc(d->cap * sizeof *d->events);
	}
	d->fault = unpack_part(u, t, p, d->events, &d->n);
	find_spans(d, p, t->defs.knows);
}

/* ---- the workers ---- */

/* Call with the lock held. */
static struct decoded *take_spare(struct ahead *a)
{
	struct decoded *d = a->spare;

	if (!d)
		return mem_zero(1, sizeof *d);
	a->spare = d->next;
	return d;
}

static void *worker(void *arg)
{
	struct ahead *a = arg;
	struct unpacker *u = unpack_new();

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct decoded *d;
		size_t index;

		if (a->taken == a->t->parts.n || a->taken >= a->asked + AHEAD) {
			pthread_cond_wait(&a->room, &a->lock);
			continue;
		}
		index = a->taken++;
		d = take_spare(a);
		pthread_mutex_unlock(&a->lock);
		decode(a->t, u, index, d);
		pthread_mutex_lock(&a->lock);
		a->made[index % AHEAD] = d;
		pthread_cond_signal(&a->ready);
	}
	pthread_mutex_unlock(&a->lock);
	unpack_free(u);
	return NULL;
}

static int count_workers(const struct trace *t, int wish)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (wish < 0)
		wish = processors > 1 ? (int)(processors - 1) : 0;
	if (t->parts.n < FEW_PARTS)
		wish = 0;
	return wish < MAX_WORKERS ? wish : MAX_WORKERS;
}

struct ahead *ahead_new(const struct trace *t, int n_workers)
{
	struct ahead *a = mem_zero(1, sizeof *a);
	int want = count_workers(t, n_workers);

	a->t = t;
	a->unpacker = unpack_new();
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->room, NULL);
	pthread_cond_init(&a->ready, NULL);
	while (a->n_workers < want && !pthread_create(&a->workers[a->n_workers], NULL, worker, a))
		a->n_workers++;
	return a;
}

/* ---- the merge ---- */

struct decoded *ahead_get(struct ahead *a, size_t index)
{
	struct decoded *d;

	pthread_mutex_lock(&a->lock);
	if (a->taken == index) {
		a->taken++;
		a->asked = index + 1;
		d = take_spare(a);
		pthread_cond_broadcast(&a->room);
		pthread_mutex_unlock(&a->lock);
		decode(a->t, a->unpacker, index, d);
		return d;
	}
	while (!a->made[index % AHEAD])
		pthread_cond_wait(&a->ready, &a->lock);
	d = a->made[index % AHEAD];
	a->made[index % AHEAD] = NULL;
	a->asked = index + 1;
	pthread_cond_broadcast(&a->room);
	pthread_mutex_unlock(&a->lock);
	return d;
}

void ahead_done(struct ahead *a, struct decoded *d)
{
	pthread_mutex_lock(&a->lock);
	d->next = a->spare;
	a->spare = d;
	pthread_mutex_unlock(&a->lock);
}

static void decoded_free(struct decoded *d)
{
	if (!d)
		return;
	free(d->events);
	array_free(&d->spans);
	free(d);
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->room);
	pthread_mutex_unlock(&a->lock);
	for (int i = 0; i < a->n_workers; i++)
		pthread_join(a->workers[i], NULL);
	for (int i = 0; i < AHEAD; i++)
		decoded_free(a->made[i]);
	while (a->spare) {
		struct decoded *next = a->spare->next;

		decoded_free(a->spare);
		a->spare = next;
	}
	pthread_cond_destroy(&a->room);
	pthread_cond_destroy(&a->ready);
	pthread_mutex_destroy(&a->lock);
	unpack_free(a->unpacker);
	free(a);
}
