"""A function of a connection that refers to it: sqlite3 did not support the collector before 3.10 (as CPython bpo-42064).

verdict: cycle-uncollectable
needs: <3.10
"""
import sqlite3
import time


class Store:
    def __init__(self, number):
        self.db = sqlite3.connect(":memory:")  # leak
        self.db.set_authorizer(self.allow)
        self.number = number

    def allow(self, *args):
        return sqlite3.SQLITE_OK


def use(number):
    Store(number)  # leak


for number in range(250):
    use(number)
    time.sleep(0.006)
