"""Edit distances by memoised recursion: each pair of words fills a table, which goes with the call.

The table grows up to the end of each call, and the collector has to take it (the inner function and its cell are a cycle).
"""
import random
import time


def distance(a, b):
    memo = {}

    def d(i, j):
        if (i, j) not in memo:
            if not i or not j:
                memo[i, j] = i + j
            else:
                memo[i, j] = min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (a[i - 1] != b[j - 1]))
        return memo[i, j]
    return d(len(a), len(b))


random.seed(2)
words = ["".join(random.choice("abcd") for i in range(7)) for n in range(50)]
for number in range(400):
    distance(random.choice(words), random.choice(words))
    time.sleep(0.005)
