# SPDX-License-Identifier: Apache-2.0
"""An order service whose author turned the collector off "for speed": its orders and their lines refer to each other,
so none is ever freed; and its sessions are forgotten by the cache, but not by the listeners.

    python3 examples/orders.py
"""
import gc


class Line:
    def __init__(self, order, item):
        self.order = order
        self.item = item


class Order:
    def __init__(self, items):
        self.lines = [Line(self, item) for item in items]


class Session:
    def __init__(self, user):
        self.user = user
        self.seen = []


class Shop:
    def __init__(self):
        self.sessions = {}
        self.listeners = []

    def login(self, user):
        session = self.sessions[user] = Session(user)
        self.listeners.append(lambda item: session.seen.append(item))

    def logout(self, user):
        del self.sessions[user]

    def buy(self, items):
        return len(Order(items).lines)


def main():
    gc.disable()
    shop = Shop()
    for number in range(500):
        shop.login("user%d" % number)
        shop.buy(["bread", "milk", "tea"])
        shop.logout("user%d" % number)
    return shop


if __name__ == "__main__":
    shop = main()
