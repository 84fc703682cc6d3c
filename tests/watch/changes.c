/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: takes and gives references, so many, from so many threads
 *
 * Knows nothing of Python: the functions that do it are handed in. Compiled by tests/test_watch.py.
 */
#include <pthread.h>
#include <stdlib.h>

typedef void change(void *object);

void take(change *incref, void *object, int n)
{
	while (n--)
		incref(object); /* taken here */
}

void give(change *decref, void *object, int n)
{
	while (n--)
		decref(object); /* given here */
}

struct work {
	change *incref, *decref;
	int (*ensure)(void);
	void (*release)(int);
	void *object;
	int n;
};

static void *thread(void *arg)
{
	struct work *w = arg;
	int state = w->ensure();

	take(w->incref, w->object, w->n);
	w->release(state);
	state = w->ensure();
	give(w->decref, w->object, w->n);
	w->release(state);
	return NULL;
}

/* Threads of C's own. Called without the GIL. */
void threads(struct work *w, int k)
{
	pthread_t *threads = calloc((size_t)k, sizeof *threads);

	for (int i = 0; i < k; i++)
		pthread_create(&threads[i], NULL, thread, w);
	for (int i = 0; i < k; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}
