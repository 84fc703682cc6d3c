/* SPDX-License-Identifier: Apache-2.0 */
/* refs_advice: what to do when a trace has no watches */
#pragma once
#include "analyzer/commands/refs/refs_report.h"

/* The exact setting that would watch the likeliest objects, in a sentence or two. Written into buf, which is returned.
 */
char *refs_advice(struct refs_report *x, char *buf, size_t cap);
