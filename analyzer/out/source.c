/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/source.h"
#include "analyzer/out/format.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE_MAX (16 << 20) /* larger files are no sources */

/* O_NONBLOCK: a name from a trace may be a pipe that nobody writes. */
static FILE *open_source(const char *path, uint64_t at_real_ns, bool *ret_changed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > SOURCE_MAX) {
		close(fd);
		return NULL;
	}
	*ret_changed = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec > at_real_ns;
	return fdopen(fd, "r");
}

bool source_line(const char *path, int line, uint64_t at_real_ns, char *buf, size_t cap, bool *ret_changed)
{
	FILE *f = line > 0 ? open_source(path, at_real_ns, ret_changed) : NULL;
	char *text = NULL, *start;
	size_t size = 0;
	ssize_t len = -1;

	if (!f)
		return false;
	for (int i = 0; i < line; i++) {
		len = getline(&text, &size, f);
		if (len < 0)
			break;
	}
	fclose(f);
	if (len > 0) {
		while (len > 0 && isspace((unsigned char)text[len - 1]))
			text[--len] = 0;
		start = text + strspn(text, " \t\f");
		for (char *c = start; *c; c++)
			*c = *c == '\t' ? ' ' : *c;
		format_printable(buf, cap, start);
	}
	free(text);
	return len > 0 && *buf;
}
