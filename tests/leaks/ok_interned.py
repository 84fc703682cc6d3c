# SPDX-License-Identifier: Apache-2.0
"""Interned strings and compiled patterns, the same again and again."""
import re
import sys

for i in range(3000):
    re.compile('a%d+' % (i % 300))
    sys.intern('name%d' % (i % 200))
