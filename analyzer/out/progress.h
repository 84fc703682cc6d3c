/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: a bar on stderr for work that takes longer than people like to wait
 *
 * Nothing is printed unless stderr is a terminal and half a second has passed; the bar is wiped at the end.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *title; /* borrowed */
	bool terminal, shown;
	uint64_t started_ns, drawn_ns;
};

void progress_start(struct progress *p, const char *title);
/* Cheap: most calls return after reading the clock. */
void progress_update(struct progress *p, uint64_t done, uint64_t whole);
void progress_end(struct progress *p);
