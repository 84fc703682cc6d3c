"""Interning and immortals: small ints, identifiers, interned strings, None, over and over: never a finding."""
import sys
import time

names = ['name_%d' % i for i in range(300)]
for turn in range(60):
    for name in names:
        sys.intern(name + '_interned')
        getattr(sys, name, None)
    x = [256, 257, -5, None, True, 'identifier', '', 'a', ()] * 100
    time.sleep(0.003)
