# SPDX-License-Identifier: Apache-2.0
"""A table is built, then the program waits, as the master of a pre-fork server does."""
import time

table = {}
for i in range(6000):
    table['key %d' % i] = [i, str(i)]
time.sleep(0.8)
