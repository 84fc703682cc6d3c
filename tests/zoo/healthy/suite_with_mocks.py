"""A test suite with fixtures, mocks and subtests, run once: results, and what the loader found, stay till the end."""
import io
import time
import unittest
import unittest.mock


def make(number):
    def test(self):
        service = unittest.mock.Mock()
        service.find.return_value = [number]
        for i in range(3):
            with self.subTest(i=i):
                self.assertEqual(service.find(i), [number])
        service.find.assert_called_with(2)
        time.sleep(0.01)
    return test


def make_case(number):
    space = {"test_%02d" % n: make(n) for n in range(10)}
    space["setUp"] = lambda self: setattr(self, "rows", ["row %d" % i for i in range(50)])
    space["tearDown"] = lambda self: delattr(self, "rows")
    return type("Case%d" % number, (unittest.TestCase,), space)


suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(make_case(n)) for n in range(12))
result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
assert result.wasSuccessful() and result.testsRun == 120
