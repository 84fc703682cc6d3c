"""A tokenizer interns the words of a finite vocabulary, all of which have come after two thirds of the run."""
import sys
import time

tokens = {}
for line in range(1500):
    for word in range(6):
        name = sys.intern("token_%d" % ((line * 6 + word) % 6000))
        tokens[name] = tokens.get(name, 0) + 1
    time.sleep(0.0014)
