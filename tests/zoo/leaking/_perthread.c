/* SPDX-License-Identifier: Apache-2.0 */
/* State for each thread. */
#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* No destructor: what a thread has left stays when it ends. */
static void make_key(void) { pthread_key_create(&key, NULL); }

int begin(int number)
{
	int *state;

	pthread_once(&once, make_key);
	state = malloc(1200); /* leak */
	state[0] = number;
	pthread_setspecific(key, state);
	return number;
}
