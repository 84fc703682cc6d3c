/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/recorded.h"
#include "analyzer/out/format.h"

#include <stdio.h>

char *recorded_text(const struct spans *s, char *buf, size_t cap)
{
	*buf = 0;
	if (s->is_whole)
		return buf;
	if (!s->at.n)
		snprintf(buf, cap, "nothing of %s", format_seconds((double)s->end_ns / 1e9).text);
	else
		snprintf(buf, cap, "%s of %s (%s)", format_seconds((double)s->recorded_ns / 1e9).text,
			 format_seconds((double)s->end_ns / 1e9).text, format_plural(s->at.n, "span", "spans").text);
	return buf;
}

char *recorded_note(const struct spans *s, char *buf, size_t cap)
{
	char text[120];

	*buf = 0;
	if (s->is_whole)
		return buf;
	if (!s->at.n)
		snprintf(buf, cap,
			 "nothing was recorded: PYTRACE_START said so, and neither libpytrace.start() nor a signal "
			 "started it");
	else
		snprintf(buf, cap, "recorded %s: what was allocated in the rest is not in these figures",
			 recorded_text(s, text, sizeof text));
	return buf;
}

static json_t *by_json(uint32_t why, const char *otherwise)
{
	static const char *const names[] = {
		[PT_PAUSE_OPTION] = "option",
		[PT_PAUSE_CALL] = "call",
		[PT_PAUSE_SIGNAL] = "signal",
		[PT_PAUSE_FORK] = "fork",
	};

	return json_text(why && why < sizeof names / sizeof *names ? names[why] : otherwise);
}

json_t *recorded_json(const struct spans *s)
{
	json_t *o, *list;

	if (s->is_whole)
		return json_null();
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < s->at.n; i++) {
		json_t *span = json_object();

		json_put(span, "from_s", json_seconds(s->at.at[i].from_ns));
		json_put(span, "to_s", json_seconds(s->at.at[i].to_ns));
		json_put(span, "started_by", by_json(s->at.at[i].why, "start"));
		json_put(span, "stopped_by", by_json(s->at.at[i].why_not, "end"));
		json_add(list, span);
	}
	json_put(o, "recorded_s", json_seconds(s->recorded_ns));
	json_put(o, "of_s", json_seconds(s->end_ns));
	json_put(o, "spans", list);
	return o;
}
