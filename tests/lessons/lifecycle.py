# SPDX-License-Identifier: Apache-2.0
"""A life: made, used, ended; a context manager that acquires and releases."""


class Resource:
    __slots__ = ("data", "more")

    def __init__(self, size):
        self.data = bytes(size)  # data

    def __enter__(self):
        self.more = bytearray(5000)  # acquired
        return self

    def __exit__(self, *unused):
        del self.more  # released


class Life:
    __slots__ = ("a", "b", "c", "d", "e", "f", "g", "h")

    def __new__(cls):
        return super().__new__(cls)

    def __init__(self):
        self.a = 1

    def __del__(self):
        self.b = 2


def live():
    one = Life()  # born
    one.c = one.a
    del one  # died


for _ in range(300):
    live()
for _ in range(200):
    with Resource(7000):
        pass
stays = [Life() for _ in range(100)]  # stay
