/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of messages, and what is known of their senders. */
#include <stdlib.h>
#include <string.h>

#define MOST 4000

static char *messages[MOST], *senders[MOST];
static int n_messages, n_senders;

void receive(const char *sender)
{
	messages[n_messages++] = calloc(1, 9000);
	if (n_messages % 16 == 0)
		senders[n_senders++] = strdup(sender); /* leak */
}

void deliver(void)
{
	while (n_messages > 0)
		free(messages[--n_messages]);
}
