# SPDX-License-Identifier: Apache-2.0
"""run_unittests: runs modules of CPython's own tests under the interpreter that runs this file, and writes what came of each.

run_unittests.py OUT MODULE [TEST-ID...]: OUT gets JSON, {test id: "ok" | "fail" | "error" | "skip"}. Standard library only.
"""
import json
import os
import sys
import unittest


class Recorder(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.outcome = {}

    def note(self, test, word):
        # A sub-test's failure counts for its test.
        if self.outcome.get(test.id()) not in ('fail', 'error'):
            self.outcome[test.id()] = word

    def addSuccess(self, test):
        self.note(test, 'ok')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, 'fail')

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, 'error')

    def addSkip(self, test, reason):
        self.note(test, 'skip')

    def addExpectedFailure(self, test, err):
        self.note(test, 'ok')

    def addUnexpectedSuccess(self, test):
        self.note(test, 'fail')

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.note(test, 'fail')
            self.failures.append((subtest, self._exc_info_to_string(err, test)))


def flatten(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from flatten(t)
        else:
            yield t


def main(out, module, wanted):
    os.chdir(os.path.dirname(out))
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName('test.' + module)
    except unittest.SkipTest as skip:
        suite = unittest.TestSuite()
        sys.stderr.write('skipped: %s\n' % skip)
    tests = list(flatten(suite))
    if wanted:
        tests = [t for t in tests if t.id() in wanted]
    result = Recorder()
    unittest.TestSuite(tests).run(result)
    for test, text in result.failures + result.errors:
        sys.stderr.write('%s\n%s\n' % (test, text))
    with open(out + '.part', 'w') as f:
        json.dump(result.outcome, f)
    os.rename(out + '.part', out)


if __name__ == '__main__':
    main(os.path.abspath(sys.argv[1]), sys.argv[2], set(sys.argv[3:]))
