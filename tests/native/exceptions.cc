// SPDX-License-Identifier: Apache-2.0
// exceptions: C++ stacks: objects, templates, lambdas, exceptions through many frames; see shapes.c.
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace shop
{
template <typename T> struct Shelf {
	std::vector<T> things;
	__attribute__((noinline)) void put(const T &thing)
	{
		things.push_back(thing);
		if (things.size() > 20)
			throw std::runtime_error("full");
	}
};

__attribute__((noinline)) int fill(int depth)
{
	std::string name(40 + depth, 'x');
	auto owned = std::make_unique<std::map<int, std::string>>();

	(*owned)[depth] = name;
	if (depth == 0) {
		Shelf<std::string> shelf;
		for (;;)
			shelf.put(name);
	}
	return fill(depth - 1) + 1;
}
} // namespace shop

int main()
{
	int caught = 0;
	std::function<int(int)> f = [](int depth) { return shop::fill(depth); };

	for (int i = 0; i < 200; i++) {
		try {
			f(i % 30);
		} catch (const std::exception &) {
			caught++;
		}
	}
	std::printf("done %d\n", caught);
	return caught == 200 ? 0 : 1;
}
