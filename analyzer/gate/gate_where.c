/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_where: lines as the readers of a repository know them
 *
 * Annotations and code scanning want paths from the repository's folder. A trace has those of the machine where the
 * program ran: the same folder, another checkout, or a container's /app. So a path that does not lie in the repository
 * is tried without its first folders, until what is left is a file there. A name alone is too little, unless it lay in
 * the folder where the program was started.
 */
#include "analyzer/gate/gate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool exists(const char *folder, const char *name)
{
	char path[8200];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return !access(path, F_OK);
}

/* Cuts off the last part. False: there is no more. */
static bool go_up(char *folder)
{
	char *slash = strrchr(folder, '/');

	if (!slash || slash == folder)
		return false;
	*slash = 0;
	return true;
}

static bool is_folder(const char *name, char *ret_real)
{
	return name && *name == '/' && realpath(name, ret_real) && strcmp(ret_real, "/");
}

void gate_find_root(struct gate *g)
{
	char here[4096];

	if (!getcwd(here, sizeof here))
		*here = 0;
	snprintf(g->root, sizeof g->root, "%s", here);
	do {
		if (exists(g->root, ".git"))
			return;
	} while (go_up(g->root));
	if (!is_folder(getenv("GITHUB_WORKSPACE"), g->root) && !is_folder(getenv("CI_PROJECT_DIR"), g->root))
		snprintf(g->root, sizeof g->root, "%s", here);
}

/* What is behind the folder's name, when `path` lies in it; else NULL. */
static const char *inside(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return len && !strncmp(path, folder, len) && path[len] == '/' ? path + len + 1 : NULL;
}

/* The end of a path of another machine that is a file of the repository; NULL. */
static const char *known_end(const struct gate *g, const struct place_table *places, const char *path)
{
	const char *at = *path == '/' ? path + 1 : path;

	for (; strchr(at, '/'); at = strchr(at, '/') + 1) {
		if (exists(g->root, at))
			return at;
	}
	return places->cwd_len > 1 && inside(path, places->cwd) == at && exists(g->root, at) ? at : NULL;
}

bool gate_where(const struct gate *g, const struct place_table *places, const struct place *p, struct gate_where *ret)
{
	const char *relative;
	char real[4096];

	ret->place = p;
	if (!*p->file || *p->file == '<' || p->at.line <= 0)
		return false;
	place_path(places, p, ret->path, sizeof ret->path);
	relative = inside(ret->path, g->root);
	if (!relative && realpath(ret->path, real))
		relative = inside(real, g->root);
	if (!relative && p->origin == ORIGIN_USER)
		relative = known_end(g, places, ret->path);
	ret->inside = relative != NULL;
	if (relative)
		memmove(ret->path, relative, strlen(relative) + 1);
	return true;
}

bool gate_line(const struct gate *g, const struct finding *f, struct gate_where *ret)
{
	node_id at = f->blame;

	for (; at > NODE_UNKNOWN; at = place_caller(&f->trace->places, at)) {
		const struct place *p = place_find(&f->trace->places, at);

		if (p->origin == ORIGIN_USER && gate_where(g, &f->trace->places, p, ret) && ret->inside)
			return true;
	}
	return gate_where(g, &f->trace->places, finding_place(f), ret);
}
