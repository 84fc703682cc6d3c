/* SPDX-License-Identifier: Apache-2.0 */
/* Parses into a tree, and forgets it. */
#include <stdlib.h>

struct node {
	struct node *next, *child;
	int value;
};

static struct node *make(int depth)
{
	struct node *n = calloc(1, sizeof *n); /* leak */

	n->value = depth;
	if (depth > 0) {
		n->child = make(depth - 1);
		n->next = make(depth - 2);
	}
	return n;
}

static void release(struct node *n)
{
	if (!n)
		return;
	release(n->next);
	release(n->child);
	free(n);
}

/* The tree of a document that is refused is not released. */
int parse(int number)
{
	struct node *root = make(6);

	if (number % 3 == 0)
		return -1;
	release(root);
	return 0;
}
