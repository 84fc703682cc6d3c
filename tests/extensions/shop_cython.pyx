# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3
"""shop_cython: a Cython extension that takes memory by itself and calls Python in the middle."""
from libc.stdlib cimport malloc, free

cdef void *shelf[64]


cdef int put(int n, size_t bytes) except -1:
    shelf[n] = malloc(bytes)
    return n


def order(customer, size_t bytes):
    """Calls `customer`, Python, which may come back."""
    put(0, bytes)
    return customer(bytes + 1)


cdef class Shop:
    def serve(self, size_t bytes):
        return put(1, bytes)


def is_full(int n):
    """Reads the shelf, or the compiler would see that nobody does."""
    return shelf[n] != NULL
