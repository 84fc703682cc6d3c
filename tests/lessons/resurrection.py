# SPDX-License-Identifier: Apache-2.0
"""An object that its own finalizer keeps: it dies, lives on, and dies again."""

kept = []


class Phoenix:
    __slots__ = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")

    def __del__(self):
        kept.append(self)


class Mortal:
    __slots__ = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")

    def __del__(self):
        kept.append(bytes(100))


def live():
    one = Phoenix()  # born
    del one  # first death


for _ in range(5):
    Mortal()
live()
kept[-1].a = 1
kept.pop()  # second death
live()
