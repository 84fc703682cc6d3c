# SPDX-License-Identifier: Apache-2.0
"""A test run."""
import unittest


class Test(unittest.TestCase):
    pass


def make(n):
    def test(self):
        self.assertEqual(sorted(str(n) * 10), list(str(n) * 10) if n < 10 else sorted(str(n) * 10))
    return test


for n in range(100):
    setattr(Test, 'test_%d' % n, make(n))
unittest.main(exit=False, argv=['test', '-q'])
