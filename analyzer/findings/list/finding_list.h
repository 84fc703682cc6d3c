/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_list: all findings of a report, its traces together
 *
 * What:  each group of growth/growth.h is a finding at first, without what the other kinds claim of it. Groups that one
 *        function of the user's own code made become one, whatever library functions did the work for it; what grows
 *        beside in step with it (the keys of a cache whose values are the leak) joins it, and what one container holds.
 *        The same finding in several processes is one.
 * Order: findings, undecided, held; in each the worst first. Held groups stay apart.
 * Who:   leaks, check, summary, refs, run.
 */
#pragma once
#include "analyzer/findings/finding.h"

struct finding_list {
	struct finding *at;
	size_t n, n_found, n_undecided;
};

void finding_list_init(struct finding_list *l, const struct report *r);
void finding_list_free(struct finding_list *l);

/* What was alive when the programs ended, all together; what exit handlers gave back after it is in it. */
struct amount finding_alive(const struct report *r);

/* What keeps "no finding" from meaning much: "the run is too short to show growth". NULL: nothing. */
const char *finding_reservation(const struct report *r);
