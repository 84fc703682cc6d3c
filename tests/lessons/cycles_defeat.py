"""Cycles defeat counts: a list that holds itself, eight times; only the collector frees them."""
import gc


def make():
    loop = []  # made
    loop.append(loop)  # closed


gc.collect()
for turn in range(8):
    make()
print(gc.collect())  # freed
