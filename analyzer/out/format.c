/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static const char *const byte_units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

/* Three significant digits, so that columns of sizes can be compared at a glance. */
static void put_scaled(char *out, size_t cap, double value, const char *sign, const char *suffix)
{
	size_t unit = 0;

	while (value >= 1023.5 && unit + 1 < sizeof byte_units / sizeof *byte_units) {
		value /= 1024;
		unit++;
	}
	snprintf(out, cap, "%s%.*f %s%s", sign,
		 unit == 0 || value >= 99.95 ? 0
		 : value >= 9.995            ? 1
					     : 2,
		 value, byte_units[unit], suffix);
}

struct format_text format_bytes(uint64_t bytes)
{
	struct format_text t;

	put_scaled(t.text, sizeof t.text, (double)bytes, "", "");
	return t;
}

struct format_text format_bytes_signed(int64_t bytes)
{
	struct format_text t;

	put_scaled(t.text, sizeof t.text, fabs((double)bytes), bytes < 0 ? "-" : "+", "");
	return t;
}

struct format_text format_rate(double bytes_per_s)
{
	struct format_text t;

	put_scaled(t.text, sizeof t.text, fabs(bytes_per_s), bytes_per_s < 0 ? "-" : "", "/s");
	return t;
}

struct format_text format_count(uint64_t n)
{
	struct format_text t;
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
	char *out = t.text;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = 0;
	return t;
}

struct format_text format_seconds(double s)
{
	struct format_text t;
	uint64_t whole = s < 0 ? 0 : (uint64_t)(s + 0.5);

	if (s < 0.0000005)
		snprintf(t.text, sizeof t.text, "0 s");
	else if (s < 0.0009995)
		snprintf(t.text, sizeof t.text, "%.0f us", s * 1e6);
	else if (s < 0.9995)
		snprintf(t.text, sizeof t.text, "%.*f ms", s < 0.00995 ? 1 : 0, s * 1e3);
	else if (s < 99.5)
		snprintf(t.text, sizeof t.text, "%.*f s", s < 9.995 ? 2 : 1, s);
	else if (whole < 7200)
		snprintf(t.text, sizeof t.text, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
	else
		snprintf(t.text, sizeof t.text, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole / 60 % 60);
	return t;
}

struct format_text format_percent(uint64_t part, uint64_t whole)
{
	struct format_text t;
	double percent = whole ? 100.0 * (double)part / (double)whole : 0;

	if (!whole)
		snprintf(t.text, sizeof t.text, "-");
	else
		snprintf(t.text, sizeof t.text, "%.*f%%", percent > 99.95 || percent == 0 ? 0 : 1, percent);
	return t;
}

struct format_text format_plural(uint64_t n, const char *one, const char *many)
{
	struct format_text t;

	snprintf(t.text, sizeof t.text, "%.27s %.30s", format_count(n).text, n == 1 ? one : many);
	return t;
}

/* The length of the well-formed UTF-8 character at s, 0 when there is none: overlong forms, surrogates and what lies
 * beyond U+10FFFF are none. */
static size_t utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, second_low, second_high, length;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (*s < forms[i].first || *s > forms[i].last)
			continue;
		if (forms[i].length > 1 && (s[1] < forms[i].second_low || s[1] > forms[i].second_high))
			return 0;
		for (size_t at = 2; at < forms[i].length; at++) {
			if ((s[at] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].length;
	}
	return 0;
}

/* C1 controls (U+0080 to U+009F) start escape sequences on some terminals, as the C0 ones do on all. */
static bool is_control(const unsigned char *s, size_t len)
{
	return len == 1 ? *s < 0x20 || *s == 0x7f : len == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

/* Most names are plain ASCII: the length of that part. */
static size_t plain_length(const unsigned char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f)
		n++;
	return n;
}

char *format_printable(char *out, size_t cap, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t used = plain_length(s);

	used = used < cap ? used : cap - 1;
	memcpy(out, s, used);
	s += used;
	while (*s) {
		size_t len = utf8_length(s);
		char piece[8];

		if (!len)
			strcpy(piece, "\xef\xbf\xbd");
		else if (is_control(s, len))
			snprintf(piece, sizeof piece, "\\x%02x", s[len - 1]);
		else
			snprintf(piece, sizeof piece, "%.*s", (int)len, (const char *)s);
		if (used + strlen(piece) >= cap)
			break;
		memcpy(out + used, piece, strlen(piece));
		used += strlen(piece);
		s += len ? len : 1;
	}
	out[used] = 0;
	return out;
}

size_t format_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* The address of the n-th character. */
static const char *skip_characters(const char *text, size_t n)
{
	while (*text && n--) {
		do
			text++;
		while (((unsigned char)*text & 0xc0) == 0x80);
	}
	return text;
}

void format_elide(FILE *f, const char *text, size_t width)
{
	size_t length = format_width(text), head;

	if (length <= width) {
		fputs(text, f);
		return;
	}
	if (width <= 5) {
		fprintf(f, "%.*s", (int)(skip_characters(text, width) - text), text);
		return;
	}
	head = (width - 3) / 4;
	fprintf(f, "%.*s...%s", (int)(skip_characters(text, head) - text), text,
		skip_characters(text, length - (width - 3 - head)));
}

static size_t width_of(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* One paragraph: words, with a line break where the next would not fit. Returns what follows it. */
static const char *wrap_paragraph(FILE *f, const char *text, size_t column, size_t indent, size_t width)
{
	bool first_word = true;

	while (*text && *text != '\n') {
		size_t len = strcspn(text, " \n"), wide = width_of(text, len);

		if (!first_word && column + 1 + wide > width) {
			fputc('\n', f);
			column = 0;
			first_word = true;
		}
		if (!first_word)
			column += (size_t)fprintf(f, " ");
		else if (column < indent)
			column += (size_t)fprintf(f, "%*s", (int)(indent - column), "");
		fprintf(f, "%.*s", (int)len, text);
		column += wide;
		first_word = false;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', f);
	return *text ? text + 1 : text;
}

void format_wrapped(FILE *f, const char *text, unsigned column, unsigned indent, unsigned width)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (*text == ' ' || !len) {
			fprintf(f, "%*s%.*s\n", len ? (int)indent : 0, "", (int)len, text);
			text += len + (text[len] == '\n');
		} else {
			text = wrap_paragraph(f, text, column, indent, width);
		}
		column = 0;
	}
}
