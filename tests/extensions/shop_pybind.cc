// SPDX-License-Identifier: Apache-2.0
// shop_pybind: a C++ extension (pybind11) that takes memory by itself and calls Python in the middle.
#include <pybind11/pybind11.h>
#include <vector>

namespace shop
{
template <typename T> struct Shelf {
	std::vector<T *> things;
	__attribute__((noinline)) void put(size_t n) { things.push_back(new T[n]); }
};
static Shelf<char> shelf;

__attribute__((noinline)) int order(pybind11::function customer, size_t bytes)
{
	shelf.put(bytes);
	int got = customer(bytes + 1).cast<int>();
	return got + 1;
}
}

PYBIND11_MODULE(shop_pybind, m) { m.def("order", &shop::order); }
