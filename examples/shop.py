# SPDX-License-Identifier: Apache-2.0
"""A shop that asks an extension in C for its prices. Some orders are too large; for each the extension forgets an item.

    python3 examples/shop.py FOLDER      FOLDER: where pricing.so is, made from pricing.c
"""
import sys
import time

sys.path.insert(0, sys.argv[1])
import pricing  # noqa: E402


class Item:
    def __init__(self, name, stock):
        self.name = name
        self.stock = stock

    def price(self, pieces):
        return 5 * pieces


class Catalogue:
    """Items are looked up for each order, as in a database."""

    def __getitem__(self, name):
        return Item(name, stock=40)


def main():
    catalogue = Catalogue()
    sold = refused = 0
    for order in range(3000):
        try:
            sold += pricing.total(catalogue, "item-%d" % order, order % 60)
        except ValueError:
            refused += 1
        time.sleep(0.0002)
    print(sold, "earned,", refused, "orders refused")


if __name__ == "__main__":
    main()
