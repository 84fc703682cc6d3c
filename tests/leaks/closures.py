# SPDX-License-Identifier: Apache-2.0
"""Callbacks are registered and never taken back."""
registry = []


def register(name):
    data = [name] * 20  # leak

    def callback():  # leak
        return data
    registry.append(callback)  # leak


def main():
    for i in range(3000):
        register('n%d' % i)
        [x * 2 for x in range(50)]


main()
