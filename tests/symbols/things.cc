/* SPDX-License-Identifier: Apache-2.0 */
/* things: C++ namespaces, templates, members, lambdas */
#include "note.h"

#include <map>
#include <string>
#include <vector>

namespace shop
{
template <class T> struct Cart {
	T things[4];
	NEVER_INLINE void add(T thing)
	{
		FRESH();
		NOTE("shop::Cart<int>::add");
		things[0] = thing;
		DONE();
	}
	inline __attribute__((always_inline)) void take() { NOTE("shop::Cart<int>::take"); }
};

namespace
{
NEVER_INLINE void secret(int n)
{
	FRESH();
	NOTE("shop::(anonymous namespace)::secret");
	if (n)
		CALL("shop::(anonymous namespace)::secret", Cart<int>().take());
	DONE();
}
} // namespace

struct Till {
	virtual ~Till() = default;
	NEVER_INLINE virtual void open() const
	{
		FRESH();
		NOTE("shop::Till::open");
		DONE();
	}
};

template <class F> NEVER_INLINE void each(const std::vector<std::string> &names, F f)
{
	for (auto &name : names)
		f(name);
}
} // namespace shop

extern "C" NEVER_INLINE void plain_name()
{
	FRESH();
	NOTE("plain_name");
	auto lambda = [](int n) __attribute__((noinline)) {
		FRESH();
		NOTE("plain_name::{lambda}::operator()");
		DONE();
		return n;
	};
	lambda(note_depth);
	DONE();
}

NEVER_INLINE void with_map(const std::map<std::string, std::vector<int>> &map)
{
	FRESH();
	NOTE("with_map");
	if (map.empty())
		NOTE("with_map");
	DONE();
}

int main(int argc, char **argv)
{
	shop::Cart<int> cart;
	shop::Till *volatile till = new shop::Till;

	(void)argv;
	cart.add(argc);
	shop::secret(argc);
	till->open();
	plain_name();
	with_map({});
	delete till;
	return 0;
}
