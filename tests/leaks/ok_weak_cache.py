# SPDX-License-Identifier: Apache-2.0
"""A cache of weak references beside the work."""
import weakref


class Page:
    def __init__(self, n):
        self.text = 'page %d' % n * 20


cache = weakref.WeakValueDictionary()
for i in range(5000):
    page = cache[i] = Page(i)
