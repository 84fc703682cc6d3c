"""The same 200 names are interned again and again."""
import sys
import time

for number in range(2500):
    key = sys.intern("name-%d" % (number % 200))
    {key: number}
    time.sleep(0.0008)
