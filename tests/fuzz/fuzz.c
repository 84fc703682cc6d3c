/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

char fuzz_path[64];

static uint64_t seed_now, random_state;
static bool is_done;

static struct {
	const char *name;
	uint64_t rounds;
	long max_kib;
	void (*round)(void);
} walk;

uint64_t fuzz_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

uint64_t fuzz_below(uint64_t n) { return (fuzz_random() >> 8) % n; }

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void mutants_are_survived(void **state)
{
	uint64_t first = setting("PYTRACE_FUZZ_SEED", 1), rounds = setting("PYTRACE_FUZZ_ROUNDS", walk.rounds);
	struct rusage use;

	(void)state;
	for (uint64_t i = 0; i < rounds; i++) {
		seed_now = first + i;
		random_state = seed_now * UINT64_C(0x9e3779b97f4a7c15) + 1;
		alarm(FUZZ_SECONDS);
		walk.round();
		alarm(0);
	}
	getrusage(RUSAGE_SELF, &use);
	assert_true(use.ru_maxrss < walk.max_kib);
	is_done = true;
}

static void say_seed(void)
{
	char line[64];
	int len = snprintf(line, sizeof line, "last seed: %llu\n", (unsigned long long)seed_now);

	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return;
}

static int clean_up(void **state)
{
	(void)state;
	unlink(fuzz_path);
	if (!is_done)
		say_seed();
	return 0;
}

/* Called by the sanitizers before they end the process. */
void __sanitizer_set_death_callback(void (*callback)(void));

int fuzz_run(const char *name, uint64_t rounds, long max_kib, void (*round)(void))
{
	const struct CMUnitTest tests[] = { { name, mutants_are_survived, NULL, clean_up, NULL } };

	walk.rounds = rounds;
	walk.max_kib = max_kib;
	walk.round = round;
	snprintf(fuzz_path, sizeof fuzz_path, "/tmp/pytrace-%s-%d.pytrace", name, getpid());
	__sanitizer_set_death_callback(say_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
