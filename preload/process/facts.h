/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts: what a trace says of its process, as definitions: program, place, options, interpreter, and the schema of
 * events
 *
 * Who: lifecycle.c, a thread at DEPTH_OWN. The keys are listed in FORMAT.md.
 */
#pragma once
#include "preload/process/program.h"
#include "preload/record/thread.h"

/* Once a file, before anything else: the schema, and what does not change. */
void facts_define(struct thread *t, const struct program *program);
/* What is known of the interpreter; again when it is up. The last definition holds. */
void facts_define_python(struct thread *t);
/* Whose malloc serves the program; again when that has changed. */
void facts_define_allocator(struct thread *t);
/* What the process has used so far; when the program ends. */
void facts_define_usage(struct thread *t);
