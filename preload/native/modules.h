/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules: the files of machine code that are mapped in this process
 *
 * What:  which module an address belongs to; its definition in the trace.
 * How:   from the kernel's own list (/proc/self/maps) and the ELF headers in memory, never from the loader: its list is
 *        behind a lock that the host may hold. Read when an address is met that belongs to no module yet, and after
 *        dlclose. Entries are never moved; one whose file is gone may be taken by a new one.
 * Who:   any thread, depth DEPTH_OWN.
 */
#pragma once
#include "preload/native/cfi.h"

struct thread;

struct module {
	struct cfi_module cfi;
	uint64_t bias;
	uint32_t number; /* in the trace, from 1; 0: code of no file (made at run time) */
	_Bool alive;
	_Bool defined; /* in this trace */
	uint8_t flags; /* PT_MODULE_ */
	uint8_t build_id_bytes;
	uint8_t build_id[32];
	char path[512];
};

/* The module that holds `addr`, NULL when no mapped file does. May read the kernel's list. */
const struct module *modules_find(uint64_t addr);
/* Its number, defined in the trace; 0 for NULL and for code of no file. */
uint32_t modules_number(struct thread *t, const struct module *m);
/* Once, before anything else; reads the kernel's list for the first time. `gone` is called for the range of each module
 * that is found to be gone. */
void modules_start(void (*gone)(uint64_t start, uint64_t end));
/* Something may have been unloaded: looks which modules are gone. Whether any is. */
bool modules_look_again(void);
/* The mapping that holds `addr`, from the kernel's list. False when there is none, or no list. */
bool modules_mapping(uint64_t addr, uint64_t *ret_lo, uint64_t *ret_hi);
void modules_after_fork(void);
