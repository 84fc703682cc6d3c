/* SPDX-License-Identifier: Apache-2.0 */
/* Counts words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* getline() makes a buffer, which is the caller's. */
int count_words(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	int words = 0;

	while (file && getline(&line, &size, file) > 0) { /* leak */
		for (char *at = strtok(line, " "); at; at = strtok(NULL, " "))
			words++;
	}
	if (file)
		fclose(file);
	return words;
}
