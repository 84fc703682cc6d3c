"""Words of a text are counted: those of a vocabulary of three thousand come by their frequency, the rare ones late.

New words come to the very end, ever more slowly.
"""
import random
import time

random.seed(4)
counts = {}
words = ["word-%05d" % i for i in range(3000)]
weights = [1 / (i + 10) for i in range(3000)]
for line in range(700):
    for word in random.choices(words, weights, k=12):
        word = (word + " ").strip()
        counts[word] = counts.get(word, 0) + 1
    time.sleep(0.003)
