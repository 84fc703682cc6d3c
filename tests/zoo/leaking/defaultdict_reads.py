"""Reading a defaultdict makes entries: a look-up of what isn't there stays.

verdict: growth
"""
import collections
import time

permissions = collections.defaultdict(list)


def may(user, what):
    return what in permissions[user]  # leak


for number in range(4000):
    may("guest-%d" % number, "read")
    time.sleep(0.0005)
