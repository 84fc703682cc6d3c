/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/moments.h"
#include "analyzer/out/format.h"

enum { SNAPSHOTS_SHOWN = 3 };

void moments_init(struct moments *h, struct trace *t)
{
	*h = (struct moments){ 0 };
	snapshots_list(&h->snapshots, t);
	for (size_t i = 0; i < h->snapshots.at.n; i++) {
		struct moments_snapshot one = { .s = &h->snapshots.at.at[i] };
		struct mapped m;

		mapped_load(&m, t, one.s);
		mapped_fact(&m, "pause_ns", &one.pause_ns);
		mapped_free(&m);
		*array_push(&h->at) = one;
	}
	collections_init(&h->collections, t);
}

void moments_free(struct moments *h)
{
	snapshots_free(&h->snapshots);
	array_free(&h->at);
	collections_free(&h->collections);
}

/* ---- JSON ---- */

json_t *moments_snapshots_json(const struct moments *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->at.n; i++) {
		const struct snapshot *s = h->at.at[i].s;
		json_t *o = json_object();

		json_put(o, "id", json_bytes(s->number));
		json_put(o, "t_s", json_seconds(s->ns));
		json_put(o, "reason", json_text(snapshot_reason_text(s->reason)));
		json_put(o, "complete", json_boolean(s->complete));
		json_put(o, "objects", json_bytes(s->objects));
		json_put(o, "edges", json_bytes(s->edges));
		json_put(o, "missed", json_bytes(s->n_missed));
		json_put(o, "bytes", json_bytes(s->stored_bytes));
		json_put(o, "pause_s", h->at.at[i].pause_ns ? json_seconds(h->at.at[i].pause_ns) : json_null());
		json_add(list, o);
	}
	return list;
}

json_t *moments_collections_json(const struct moments *h)
{
	struct collections_sum sum = collections_sum(&h->collections, COLLECTIONS_ALL);
	json_t *o;

	if (!sum.n)
		return json_null();
	o = json_object();
	json_put(o, "n", json_bytes(sum.n));
	json_put(o, "explicit", json_bytes(sum.n_explicit));
	json_put(o, "collected", json_bytes(sum.collected));
	json_put(o, "uncollectable", json_bytes(sum.uncollectable));
	json_put(o, "pause_s", json_seconds(sum.pause_ns));
	json_put(o, "longest_pause_s", json_seconds(sum.longest_ns));
	return o;
}

/* ---- text ---- */

static size_t add_snapshot(const struct moments_snapshot *one, char *buf, size_t used, size_t cap)
{
	const struct snapshot *s = one->s;
	char at[64], objects[64];

	if (used >= cap)
		return used;
	snprintf(at, sizeof at, "%s", format_seconds((double)s->ns / 1e9).text);
	snprintf(objects, sizeof objects, "%s", format_plural(s->objects, "object", "objects").text);
	return used + (size_t)snprintf(buf + used, cap - used, "%s%s at %s, %s", used ? "; " : "",
				       snapshot_reason_text(s->reason), at, s->complete ? objects : "not complete");
}

char *moments_snapshots_text(const struct moments *h, char *buf, size_t cap)
{
	size_t n = h->at.n, used = 0, hidden = n > SNAPSHOTS_SHOWN ? n - SNAPSHOTS_SHOWN : 0;

	*buf = 0;
	if (n > 1)
		used += (size_t)snprintf(buf, cap, "%s%s", format_count(n).text, hidden ? ", the last ones" : "");
	for (size_t i = hidden; i < n; i++)
		used = add_snapshot(&h->at.at[i], buf, used, cap);
	return buf;
}

char *moments_collections_text(const struct moments *h, char *buf, size_t cap)
{
	struct collections_sum sum = collections_sum(&h->collections, COLLECTIONS_ALL);
	char asked[100] = "", freed[64];

	*buf = 0;
	if (!sum.n)
		return buf;
	if (sum.n_explicit)
		snprintf(asked, sizeof asked, ", %s of them asked for", format_count(sum.n_explicit).text);
	snprintf(freed, sizeof freed, "%s", format_plural(sum.collected, "object", "objects").text);
	snprintf(buf, cap, "%s%s; they freed %s and took %s, the longest %s",
		 format_plural(sum.n, "collection", "collections").text, asked, freed,
		 format_seconds((double)sum.pause_ns / 1e9).text, format_seconds((double)sum.longest_ns / 1e9).text);
	return buf;
}
