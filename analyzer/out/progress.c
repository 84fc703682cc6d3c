/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS  UINT64_C(500000000) /* before that nobody waits */
#define EVERY_NS  UINT64_C(100000000)
#define BAR_CELLS 40

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void progress_start(struct progress *p, const char *title)
{
	*p = (struct progress){ .title = title, .terminal = isatty(STDERR_FILENO), .started_ns = now_ns() };
}

void progress_update(struct progress *p, uint64_t done, uint64_t whole)
{
	char bar[BAR_CELLS + 1];
	uint64_t now;
	size_t cells;

	if (!p->terminal || !whole)
		return;
	now = now_ns();
	if (now - p->started_ns < FIRST_NS || now - p->drawn_ns < EVERY_NS)
		return;
	if (done > whole)
		done = whole;
	cells = (size_t)((double)done / (double)whole * BAR_CELLS);
	memset(bar, ' ', BAR_CELLS);
	memset(bar, '#', cells);
	bar[BAR_CELLS] = 0;
	fprintf(stderr, "\r%.30s [%s] %3.0f%% ", p->title, bar, 100.0 * (double)done / (double)whole);
	p->drawn_ns = now;
	p->shown = true;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
