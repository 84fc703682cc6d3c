/* SPDX-License-Identifier: Apache-2.0 */
/* commands: the table that commands.def makes, one row a command. */
#pragma once
#include "analyzer/report/command.h"

#define COMMAND(name) extern const struct command command_##name;
#include "analyzer/commands/commands.def"
#undef COMMAND

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "analyzer/commands/commands.def"
#undef COMMAND
};
enum { commands_count = sizeof commands / sizeof *commands };
