/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx: C++ code that allocates, for the truth programs: each operator new and delete, in each of its forms
 */
#include <cstdlib>
#include <new>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

static const std::align_val_t wide{ 128 };

/* Eight blocks, one by each operator new: of n to n + 3 bytes, and four aligned ones of n, which is a multiple of the
 * alignment: libstdc++ rounds the others up. */
API void truth_news(size_t n, void **out)
{
	out[0] = operator new(n);
	out[1] = operator new[](n + 1);
	out[2] = operator new(n + 2, std::nothrow);
	out[3] = operator new[](n + 3, std::nothrow);
	out[4] = operator new(n, wide);
	out[5] = operator new[](n, wide);
	out[6] = operator new(n, wide, std::nothrow);
	out[7] = operator new[](n, wide, std::nothrow);
}

/* Gives back twelve blocks, one by each operator delete. The first two are of n bytes, the last two aligned. */
API void truth_deletes(size_t n, void **p)
{
	operator delete(p[0]);
	operator delete[](p[1]);
	operator delete(p[2], n);
	operator delete[](p[3], n);
	operator delete(p[4], std::nothrow);
	operator delete[](p[5], std::nothrow);
	operator delete(p[6], wide);
	operator delete[](p[7], wide);
	operator delete(p[8], n, wide);
	operator delete[](p[9], n, wide);
	operator delete(p[10], wide, std::nothrow);
	operator delete[](p[11], wide, std::nothrow);
	operator delete(nullptr);
}

API void *truth_new(size_t n) { return operator new(n); }
API void *truth_new_aligned(size_t n) { return operator new(n, wide); }

/* 1: the exception came; with a handler that gives up after a few calls. */
static int n_calls;
static void handler()
{
	if (++n_calls >= 3)
		std::set_new_handler(nullptr);
}

API int truth_new_fails(size_t n)
{
	std::set_new_handler(handler);
	n_calls = 0;
	try {
		operator delete(operator new(n));
	} catch (const std::bad_alloc &) {
		return n_calls;
	}
	return -1;
}

API int truth_throws(int depth)
{
	std::vector<int> local(depth + 1, depth);

	if (!depth)
		throw local[0] + 7;
	return truth_throws(depth - 1) + local[depth];
}

/* Blocks while an exception passes: all are given back. */
API int truth_catches(int depth)
{
	try {
		return truth_throws(depth);
	} catch (int got) {
		return got;
	}
}

/* What a constructor of a library makes while the linker loads it. */
struct at_load {
	void *p;
	at_load() : p(operator new(4321)) {}
};
at_load truth_at_load;
API void *truth_loaded() { return truth_at_load.p; }
