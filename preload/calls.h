/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls: what the program asks of the tracer itself, by the functions of libpytrace
 *
 * What:  marks, regions, snapshots, watches, what the tracer knows of itself. How Python calls them: py/module.
 * Who:   py/module calls them, at DEPTH_OUTSIDE; lifecycle.c hands them over. Where nothing is recorded they do
 * nothing.
 */
#pragma once
#include "formats/event.h"
#include "preload/py/module/module.h"

struct thread;

/* Starts recording or stops it, with what is watched. Whether that changed anything. At DEPTH_OWN, also in a signal
 * handler. */
bool calls_record(struct thread *t, bool on, enum pt_pause why);

extern const struct module_calls calls __attribute__((visibility("hidden")));
