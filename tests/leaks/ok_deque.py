# SPDX-License-Identifier: Apache-2.0
"""The last thousand."""
import collections

last = collections.deque(maxlen=1000)
for i in range(8000):
    last.append({'i': i, 't': str(i)})
