"""Patterns made at run time: re keeps at most some hundred of them."""
import re
import time

for number in range(1200):
    re.match("a{%d}b|c%d" % (number % 900 + 1, number), "aaab")
    time.sleep(0.0015)
