/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of messages, and what is known of their senders. */
#include <stdlib.h>
#include <string.h>

#define MOST 4000

static char *messages[MOST], *senders[MOST];
static int n_messages, n_senders;

void receive(const char *sender)
{
	messages[n_messages] = malloc(9000);
	memset(messages[n_messages++], 1, 9000);
	if (n_messages % 16 == 0)                                   /* with all that is known of him */
		senders[n_senders++] = strcpy(malloc(700), sender); /* leak */
}

void deliver(void)
{
	while (n_messages > 0)
		free(messages[--n_messages]);
}

const char *sender(int number) { return senders[number]; }
