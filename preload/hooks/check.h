/* SPDX-License-Identifier: Apache-2.0 */
/* check: what PYTRACE_LOG asks for. Called by lifecycle.c: at the start with options.log, and at the end. */
#pragma once

void hook_check_start(unsigned checks);
void hook_check_end(void);
