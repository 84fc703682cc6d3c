/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorded: how much of a run was recorded, in words
 *
 * Who: report_words.c, for the head of every report; info, timeline. Where all was recorded nothing is said.
 */
#pragma once
#include "analyzer/models/spans.h"
#include "analyzer/out/json.h"

/* "12.4 s of 60.0 s (3 spans)"; "" when all was. Returns `buf`. */
char *recorded_text(const struct spans *s, char *buf, size_t cap);
/* A sentence on what the figures of a report are of, or that nothing was recorded and what to do. "" when all was.
 * Returns `buf`. */
char *recorded_note(const struct spans *s, char *buf, size_t cap);
/* {recorded_s, of_s, spans: [{from_s, to_s, started_by, stopped_by}]}; null when all was. */
json_t *recorded_json(const struct spans *s);
