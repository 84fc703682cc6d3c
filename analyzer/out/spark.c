/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/spark.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void spark_print(FILE *f, const uint64_t *values, size_t n, uint64_t most, bool unicode)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const shades[] = { " ", ".", ":", "-", "=", "+", "*", "#", "@" };
	enum { STEPS = sizeof blocks / sizeof *blocks - 1 };

	for (size_t i = 0; i < n; i++) {
		double part = most ? (double)values[i] / (double)most : 0;
		size_t step = part >= 1 ? STEPS : (size_t)(part * STEPS + .5);

		step += values[i] && !step;
		fputs(unicode ? blocks[step] : shades[step], f);
	}
}

bool spark_unicode(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}
