/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain: a path of references as people write it: app.cache['u17'].session
 *
 * What:  the links of a path with the names of their edges, folded: an instance, its __dict__ and a value are an
 *        attribute; a module and its globals are `module.name`; a function, its closure and a cell are
 *        `function.<closure>.name`; what a generator or a running frame holds is `owner.<locals>.name`.
 * Expression: valid Python where Python can say it. What Python can't say stands in <>.
 */
#pragma once
#include "analyzer/views/view.h"

struct chain_link {
	object_id object;
	size_t from, to;     /* its piece of chain.expression */
	size_t pattern_from; /* where it starts in chain.pattern */
};

struct chain {
	char *expression;            /* "app.cache['u17'].session" */
	char *pattern;               /* the same with "[...]" for keys and places */
	ARRAY(struct chain_link) at; /* from the start to the target */
	bool by_c;                   /* it starts at an object that C code holds */
};

/* Wants VIEW_MODULES of the view. chain_free() it. */
void chain_make(struct chain *c, struct view *v, const struct path *p);
void chain_free(struct chain *c);

/* [{type, name, site, address, entries}] from the root. */
json_t *chain_json(const struct chain *c, struct view *v);
/* A line for each link: its name, what it is, the line that made it. */
void chain_print(const struct chain *c, struct view *v, const struct output *o, bool full, unsigned indent);
