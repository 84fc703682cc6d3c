# SPDX-License-Identifier: Apache-2.0
"""repeat: a test once more, and once more, until it left nothing or it is sure that it always does

How:   pytest's own protocol runs the item again, with the fixtures of wider scopes still set up. What it would tell the world
       meanwhile (reports of subtests, a debugger at a failure) is not passed on.
"""
import contextlib
import copy
import gc
import time
import warnings

from _pytest.runner import runtestprotocol

from .gauge import bounded_caches, fill, is_nothing, is_steady, weight
from . import show

ROUNDS = 3  # of runs that count, while what they leave becomes less
UNTOLD = ('pytest_runtest_logreport', 'pytest_exception_interact')


class Inconclusive(Exception):
    """Why it is not known whether a test leaks."""


# ---- what pytest makes of an item ----

def sibling(item):
    """Somebody in the item's place among the collectors who is not it: fixtures of a wider scope stay for its sake."""
    return copy.copy(item)


def tear_down(item, nextitem):
    """What is set up and not needed by the next test."""
    state = item.session._setupstate
    if hasattr(state, 'stack') and isinstance(state.stack, list):  # pytest < 7
        state.teardown_exact(item, nextitem)
    else:
        state.teardown_exact(nextitem)


def is_done(finalizer):
    """Whether it would finish a fixture that is finished."""
    fixture = getattr(getattr(finalizer, 'func', None), '__self__', None)
    return hasattr(fixture, 'cached_result') and fixture.cached_result is None


def forget_finished(item):
    """Fixtures of a wider scope remember those that asked for them, run by run, and these their values."""
    info = getattr(item, '_fixtureinfo', None)
    for fixtures in info.name2fixturedefs.values() if info else ():
        for fixture in fixtures:
            finalizers = getattr(fixture, '_finalizers', None)
            if isinstance(finalizers, list):
                finalizers[:] = [f for f in finalizers if not is_done(f)]


class Item:
    """What a run changes in an item, so that the next one starts as the first did."""

    def __init__(self, item):
        self.item = item
        self.sections = list(item._report_sections)
        self.properties = list(item.user_properties)
        test = getattr(item, 'dtest', None)
        self.globs = dict(test.globs) if test is not None else None

    def restore(self):
        self.item._report_sections[:] = self.sections
        self.item.user_properties[:] = self.properties
        if self.globs is not None and self.item.dtest is not None:
            self.item.dtest.globs.clear()
            self.item.dtest.globs.update(self.globs)


@contextlib.contextmanager
def untold(config):
    """Nobody hears of what happens meanwhile."""
    lists = [getattr(getattr(config.hook, name), '_hookimpls', []) for name in UNTOLD]
    saved = [list(impls) for impls in lists]
    for impls in lists:
        del impls[:]
    try:
        yield
    finally:
        for impls, before in zip(lists, saved):
            impls[:] = before


def last_line(report):
    crash = getattr(report.longrepr, 'reprcrash', None)
    said = crash.message if crash else str(report.longrepr).strip().split('\n')[-1]
    return '%s: %s' % (report.when, said.split('\n')[0][:200])


# ---- the runs ----

class Repetitions:
    """The runs of one test after its first."""

    def __init__(self, session, item, initial, limits):
        self.session, self.gauge = session, session.gauge
        self.item, self.initial, self.limits = item, initial, limits
        self.again = sibling(item)
        self.n = 0            # runs
        self.rise = (0, 0)    # by the last of them
        self.n_judged = 0     # the last of them, which count
        self.is_filling = False  # caches with a bound grew in the runs that count
        self.until = time.monotonic() + session.options.seconds
        self.longest = 0

    def left(self):
        """Whether another run leaves more allocated than it found."""
        begun = time.monotonic()
        if begun + self.longest > self.until:
            raise Inconclusive('left about %s behind in run %d; more runs would take longer than --pytrace-seconds allows' % (
                show.size(weight(self.rise)), self.n + 1))
        self.gauge.start_settled()
        self.run()
        self.rise = self.gauge.rise_settled()
        self.session.mark(self.item, 'end')
        self.longest = max(self.longest, time.monotonic() - begun)
        return not is_nothing(self.rise, self.limits.bytes if self.limits.given and not self.limits.marked else 0)

    def run(self):
        self.initial.restore()
        self.n += 1
        with warnings.catch_warnings(record=True):
            reports = runtestprotocol(self.item, log=False, nextitem=self.again)
        self.initial.restore()
        forget_finished(self.item)
        for report in reports:
            if not report.passed:
                raise Inconclusive('it did not pass when it was repeated: ' + last_line(report))

    def caches(self):
        gc.unfreeze()
        found = bounded_caches()
        gc.freeze()
        return found

    def goes_on(self):
        """Whether it left something in every run, those that count included, which are recorded. Inconclusive."""
        if any(not self.left() for _ in range(self.limits.warmups - 1)):
            return False
        self.session.record_runs()
        if self.limits.warmups and not self.left():
            return False
        return self.goes_on_to_the_end(is_nothing(self.rise, self.limits.bytes))

    def goes_on_to_the_end(self, is_little):
        caches = self.caches()
        self.n_judged = self.limits.runs * (1 + is_little)
        for _ in range(ROUNDS):
            entries, rises = fill(caches), []
            for _ in range(self.n_judged):
                if not self.left():
                    return False
                rises.append(self.rise)
            self.is_filling = fill(caches) > entries
            if self.limits.marked or is_little or is_steady(rises):
                return True
        raise Inconclusive('what each run leaves became less and less in %s' % show.count(self.n, 'run', 'runs'))

    def leak(self, judge):
        """What judge() says of the runs that count, where each left something; else None. Inconclusive."""
        gc.freeze()
        try:
            with untold(self.session.config):
                return judge() if self.goes_on() else None
        finally:
            gc.unfreeze()
            self.session.record(False)
