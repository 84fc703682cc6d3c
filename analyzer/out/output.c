/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/out/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100
#define WIDTH_MIN     80
#define WIDTH_MAX     160

static const char *const escapes[STYLES] = {
	[STYLE_PLAIN] = "\033[0m",  [STYLE_TITLE] = "\033[1;36m", [STYLE_STRONG] = "\033[1m", [STYLE_FAINT] = "\033[2m",
	[STYLE_BAD] = "\033[1;31m", [STYLE_GOOD] = "\033[32m",    [STYLE_CODE] = "\033[33m",
};

static bool complain(const char *what, const char *name, int error)
{
	fprintf(stderr, "pytrace: %s '%s': %s\n", what, name, strerror(error));
	return false;
}

static void measure_terminal(struct output *o)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	struct winsize size;
	int fd = fileno(o->file);

	o->width = WIDTH_DEFAULT;
	if (!isatty(fd))
		return;
	o->colour = !(no_colour && *no_colour) && term && strcmp(term, "dumb");
	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return;
	o->width = size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

/* Devices and pipes are written in place; a regular file is made beside and renamed over. */
static bool open_file(struct output *o, bool force)
{
	struct stat st;
	int fd, exists = !stat(o->name, &st);

	if (exists && S_ISDIR(st.st_mode))
		return complain("can't write", o->name, EISDIR);
	if (exists && S_ISREG(st.st_mode) && !force) {
		fprintf(stderr, "pytrace: '%s' exists; -f overwrites it\n", o->name);
		return false;
	}
	if (exists && !S_ISREG(st.st_mode)) {
		o->file = fopen(o->name, "w");
		return o->file || complain("can't write", o->name, errno);
	}
	if (asprintf(&o->temporary, "%s.%ld.tmp", o->name, (long)getpid()) < 0)
		return complain("can't write", o->name, ENOMEM);
	fd = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, exists ? st.st_mode & 0777 : 0666);
	o->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (o->file)
		return true;
	complain("can't write", o->name, errno);
	if (fd >= 0)
		close(fd);
	free(o->temporary);
	o->temporary = NULL;
	return false;
}

bool output_open(struct output *o, const char *name, bool force)
{
	*o = (struct output){ .file = stdout };
	if (name && strcmp(name, "-")) {
		o->name = name;
		if (!open_file(o, force))
			return false;
	}
	measure_terminal(o);
	return true;
}

void output_abandon(struct output *o)
{
	if (o->file && o->file != stdout)
		fclose(o->file);
	if (o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	*o = (struct output){ 0 };
}

bool output_close(struct output *o)
{
	int error = fflush(o->file) ? errno : ferror(o->file) ? EIO : 0;

	if (o->file != stdout && fclose(o->file) && !error)
		error = errno;
	if (!error && o->temporary && rename(o->temporary, o->name))
		error = errno;
	if (error && o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	o->temporary = NULL;
	o->file = NULL;
	return !error || (!o->name && error == EPIPE) ||
	       complain("can't write", o->name ? o->name : "standard output", error);
}

const char *output_style(const struct output *o, enum output_style style) { return o->colour ? escapes[style] : ""; }

void output_title(struct output *o, const char *text)
{
	fprintf(o->file, "%s%s%s\n", output_style(o, STYLE_TITLE), text, output_style(o, STYLE_PLAIN));
}
