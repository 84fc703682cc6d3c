# SPDX-License-Identifier: Apache-2.0
"""What the tests of shop_tests.py test: some of it keeps what it makes, for ever or not."""
import functools

ITEMS = []
PAGES = {}
PLACES = [None] * 1000
LAST = None


def add(n):
    ITEMS.append(bytearray(n))  # leaks: by add


def page(number):
    """Healthy: ten pages, and no more.

    >>> len(page(3))
    20000
    """
    return PAGES.setdefault(number % 10, bytes(20000))


@functools.lru_cache(maxsize=100)
def price(number):
    """Healthy: it fills up, and has a bound."""
    return bytes(3000 + number)


def replace():
    """Healthy: what it keeps is what the next call gives back."""
    global LAST
    LAST = [bytes(5000) for _ in range(4)]


def keep(number, n):
    PLACES[number] = bytes(n)  # leaks: by keep, to the byte
