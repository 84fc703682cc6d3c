# SPDX-License-Identifier: Apache-2.0
"""lru_cache(maxsize=None) on a method keeps every instance and every row."""
import functools


class Repository:
    @functools.lru_cache(maxsize=None)
    def load(self, key):
        return ['row', key, 'v' * 100]  # leak


def main():
    for i in range(3000):
        Repository().load(i)  # leak


main()
