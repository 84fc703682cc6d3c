/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glibc: old names for what glibc 2.34 moved into libc.so, so that a library built today loads on glibc 2.31
 *
 * Included before everything else (meson.build). The functions are the same; only the version that the dynamic linker
 * looks for differs. meson.build names libdl and libpthread, where they were; both still exist, empty.
 */
#if defined(__x86_64__)
#define GLIBC_OLD     "GLIBC_2.2.5"
#define GLIBC_DLADDR1 "GLIBC_2.3.3"
#elif defined(__aarch64__)
#define GLIBC_OLD     "GLIBC_2.17"
#define GLIBC_DLADDR1 "GLIBC_2.17"
#endif

#ifdef GLIBC_OLD
__asm__(".symver dlsym, dlsym@" GLIBC_OLD);
__asm__(".symver dladdr, dladdr@" GLIBC_OLD);
__asm__(".symver dladdr1, dladdr1@" GLIBC_DLADDR1);
__asm__(".symver dlerror, dlerror@" GLIBC_OLD);
__asm__(".symver pthread_key_create, pthread_key_create@" GLIBC_OLD);
__asm__(".symver pthread_setspecific, pthread_setspecific@" GLIBC_OLD);
#endif
