"""A test suite is loaded and run once."""
import io
import time
import unittest


def make(number):
    def test(self):
        self.assertEqual(sorted(range(number % 40, 0, -1)), list(range(1, number % 40 + 1)))
        time.sleep(0.004)
    return test


Suite = type("Suite", (unittest.TestCase,), {"test_%03d" % n: make(n) for n in range(400)})
suite = unittest.defaultTestLoader.loadTestsFromTestCase(Suite)
result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=2).run(suite)
assert result.wasSuccessful()
