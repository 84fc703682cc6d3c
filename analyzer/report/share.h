/* SPDX-License-Identifier: Apache-2.0 */
/* share: for how many blocks of Python objects the type is known, and how; what is not known. For reports opened with
 * REPORT_TYPES. */
#pragma once
#include "analyzer/report/report.h"

json_t *share_json(const struct report_trace *t);

/* A sentence for people, and one on what is missing ("" when nothing is). Written into buf, which is returned; NULL
 * when the trace has no objects. */
char *share_text(const struct report_trace *t, char *buf, size_t cap);
char *share_holes_text(const struct report_trace *t, char *buf, size_t cap);
