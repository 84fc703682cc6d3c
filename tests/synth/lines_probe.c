/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines_probe: decodes line tables for a test that knows better
 *
 * Reads records from the standard input: u32 first_line, u32 linetable, u32 table_bytes, u32 code_bytes, the table.
 * Writes for each instruction (2 bytes of bytecode) four i32: line, end line, column, end column.
 */
#include "analyzer/models/lines.h"

#include <stdio.h>

int main(void)
{
	uint32_t head[4];

	while (fread(head, sizeof head, 1, stdin) == 1) {
		struct code c = { .first_line = head[0],
				  .linetable = (uint8_t)head[1],
				  .table_bytes = head[2],
				  .table_got = head[2],
				  .table = mem_alloc(head[2] ? head[2] : 1) };

		if (head[2] && fread(c.table, head[2], 1, stdin) != 1)
			return 1;
		for (uint32_t offset = 0; offset < head[3]; offset += 2) {
			struct pt_position p = lines_find(&c, offset);

			fwrite(&p, sizeof p, 1, stdout);
		}
		free(c.table);
	}
	return 0;
}
