/* SPDX-License-Identifier: Apache-2.0 */
/* parts: what the files of this room tell each other. */
#pragma once
#include "preload/py/module/api.h"
#include "preload/py/module/module.h"

extern const struct module_calls *module_calls __attribute__((visibility("hidden")));
/* libpytrace.mark and the others. */
extern const struct api_method module_methods[] __attribute__((visibility("hidden")));

/* libpytrace.region, made anew for each interpreter; NULL: an error is set. */
void *region_type(void);
