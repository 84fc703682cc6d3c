# SPDX-License-Identifier: Apache-2.0
"""session: a traced session of pytest: marks, repetitions, verdicts in the reports

Marks: "TEST setup", "TEST call", "TEST teardown" and "TEST end", for each run of a test; a worker of xdist puts its name
       before: "[gw0] TEST call".
Suspicious: a test whose first run leaves more allocated than it found, garbage collected. What it costs to know:
       sys.getallocatedblocks(), the C library's mallinfo2(), and two collections a test.
Repeated: a suspicious test, until a run leaves nothing more (then it is none), and at most as --pytrace-runs says; a test
       with a limit always as often. Fixtures of a wider scope stay set up meanwhile. The outcome of repetitions is not
       reported, but one that does not pass ends them.
Order: runs, repetitions and the verdict come before the reports of a test are logged, so that its outcome is its outcome:
       for -x, for JUnit, for a controller of xdist.
"""
import copy
import ctypes
import functools
import gc
import os
import shutil
import sys
import warnings

import libpytrace
import pytest
from _pytest.runner import CallInfo, runtestprotocol

from . import launch, parse_size, setting, show, verdict

LABEL_BYTES = 900  # of a test's name in a mark; the tracer cuts off at 1024
FEW_BLOCKS = 2     # a run, are nothing: the interpreter's own caches (of types' attributes, of interned names) fill slowly
ROUNDS = 3         # of runs that count, while what they leave becomes less
BLOCK_BYTES = 64   # what a block of Python's allocator is reckoned with, as a suspicion has no sizes


def register(config, folder):
    if not launch.is_traced():
        config.issue_config_time_warning(pytest.PytestWarning(
            '--pytrace: this worker is not traced; start it with LD_PRELOAD=libpytrace.so'), 2)
        return
    session = TracedSession(config, folder)
    config.pluginmanager.register(session, 'pytrace_session')
    config.pluginmanager.register(Protocol(session), 'pytrace_protocol')


# ---- what is allocated ----

class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks '
                'keepcost'.split()]


def find_mallinfo():
    """A function that tells the bytes that C code has allocated; None where the C library has none (glibc < 2.33)."""
    try:
        function = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return None
    function.restype = MallInfo
    return function


class Gauge:
    """How much more is allocated than when it was last asked: in blocks of Python, in bytes of C."""

    def __init__(self):
        self.mallinfo = find_mallinfo()
        self.before = (0, 0)

    def read(self):
        info = self.mallinfo() if self.mallinfo else None
        return sys.getallocatedblocks(), info.uordblks + info.hblkhd if info else 0

    def start(self):
        gc.collect()  # or what the test before left would seem to be given back by this one
        self.before = self.read()

    def rise(self):
        now = self.read()
        return now[0] - self.before[0], now[1] - self.before[1]


def is_much(rise, limit):
    """Whether a run may have left more behind than it may: blocks have no sizes here, the analyzer knows them."""
    return rise[0] > FEW_BLOCKS or rise[1] > limit


def is_steady(rises):
    """Whether it goes on: what fills up rises less and less."""
    first, last = [max(0, r[0]) * BLOCK_BYTES + max(0, r[1]) for r in (rises[0], rises[-1])]
    return last * 2 >= first


# ---- caches with a bound ----

def bounded_caches():
    """The lru_caches that have a bound."""
    return [o for o in gc.get_objects() if type(o) is functools._lru_cache_wrapper and o.cache_info().maxsize is not None]


def fill(caches):
    """How many entries they have, together."""
    return sum(o.cache_info().currsize for o in caches)


# ---- marks of a test ----

def mark_values(item, name, first, others):
    """(the first argument, {the others}) of the nearest mark of that name; None. ValueError when it is none."""
    mark = item.get_closest_marker(name)
    if mark is None:
        return None
    given = dict(mark.kwargs)
    value = mark.args[0] if mark.args else given.pop(first, None)
    unknown = set(given) - set(others)
    if len(mark.args) > 1 or value is None or unknown:
        raise ValueError('%s() wants %s="1 MB" and at most %s' % (name, first, ', '.join(others)))
    return parse_size(value), dict(others, **given)


class Limits:
    """What the marks of a test say, and where they say nothing, the options."""

    def __init__(self, item, options):
        leaks = mark_values(item, 'limit_leaks', 'location_limit',
                            {'filter_fn': None, 'current_thread_only': False, 'warmups': None})
        memory = mark_values(item, 'limit_memory', 'memory_limit', {'current_thread_only': False})
        self.marked = leaks is not None
        self.leaks, more = leaks or (options.limit, {})
        self.filter_fn, self.thread_only = more.get('filter_fn'), more.get('current_thread_only', False)
        self.warmups, self.runs = options.runs
        if more.get('warmups') is not None:
            self.warmups = int(more['warmups'])
        self.memory, more = memory or (None, {})
        self.memory_thread_only = more.get('current_thread_only', False)


# ---- repeating ----

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


class Options:
    def __init__(self, config):
        self.runs, self.limit = setting(config, 'pytrace_runs'), setting(config, 'pytrace_limit')
        self.suspect, self.seconds = setting(config, 'pytrace_suspect'), setting(config, 'pytrace_seconds')
        self.stacks = setting(config, 'pytrace_stacks')
        self.fails = self.limit is not None
        self.limit = 256 if self.limit is None else self.limit


class TracedSession:
    def __init__(self, config, folder):
        self.config = config
        self.folder, self.is_temporary = folder
        self.options = Options(config)
        self.worker = os.environ.get('PYTEST_XDIST_WORKER', '')
        self.gauge = Gauge()
        self.pid = os.getpid()
        self.repeating = False
        self.foreign = None    # reports of a test that another plugin runs
        self.initial = None
        self.nextitem = None
        self.n_marked = 0      # runs of this test, those that another plugin had it do included
        self.found, self.tests, self.repeated, self.n_runs = {}, set(), set(), 0

    # ---- marks ----

    def name(self, item):
        text = item.nodeid.encode('ascii', 'backslashreplace')[:LABEL_BYTES].decode()
        return '[%s] %s' % (self.worker, text) if self.worker else text

    def mark(self, item, phase):
        libpytrace.mark('%s %s' % (self.name(item), phase))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        if not self.repeating:
            self.gauge.start()
        self.n_marked += 1
        self.mark(item, 'setup')
        yield

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item):
        self.mark(item, 'call')
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item):
        self.mark(item, 'teardown')
        yield

    def end_first(self, item):
        """The end of the first run: about what it left, in bytes."""
        gc.collect()
        rise = self.gauge.rise()
        self.mark(item, 'end')
        return max(0, rise[0]) * BLOCK_BYTES + max(0, rise[1])

    def end_again(self, item):
        """The end of a repetition: what it left, in blocks and bytes. What was there before is frozen: this is quick."""
        for _ in range(3):
            if not gc.collect():
                break
        rise = self.gauge.rise()
        self.mark(item, 'end')
        self.gauge.before = self.gauge.read()
        return rise

    # ---- a test ----

    def is_rerun_by_others(self, item):
        plugin = self.config.pluginmanager.get_plugin('rerunfailures') or sys.modules.get('pytest_rerunfailures')
        reruns = getattr(plugin, 'get_reruns_count', None)
        return bool(reruns and reruns(item) is not None)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        self.initial, self.nextitem, self.n_marked = Item(item), nextitem, 0
        self.foreign = [] if self.is_rerun_by_others(item) else None
        yield
        self.initial = self.foreign = self.nextitem = None

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        if self.foreign is None or self.repeating:
            return
        self.foreign.append(outcome.get_result())
        if call.when == 'teardown':
            reports, self.foreign = self.foreign, []
            self.judge(item, self.nextitem, reports)

    def judge(self, item, nextitem, reports):
        """After the first run of a test: what there is to say against it goes into its reports."""
        guess = self.end_first(item)
        if os.getpid() != self.pid or not reports or any(not r.passed or hasattr(r, 'wasxfail') for r in reports):
            return
        try:
            found = self.verdict(item, nextitem, reports, guess)
        except (ValueError, verdict.Unreadable) as wrong:
            found = {'kind': 'undecided', 'why': str(wrong), 'rows': [], 'bytes': 0, 'failed': isinstance(wrong, ValueError)}
        if found:
            self.report(item, reports, found)

    def verdict(self, item, nextitem, reports, guess):
        limits = Limits(item, self.options)
        memory = limits.memory is not None and verdict.memory(
            self.trace(), self.name(item), limits.memory, limits.memory_thread_only)
        if memory:
            return dict(memory, failed=True)
        runs = limits.warmups + limits.runs
        if not limits.marked and (guess <= self.options.suspect or not runs):
            return None
        seconds = sum(r.duration for r in reports) * runs
        if seconds > self.options.seconds:
            return undecided(guess, 'left about %s behind in its first run; to repeat it %d times would take %.0f s '
                             '(--pytrace-seconds)' % (show.size(guess), runs, seconds))
        sure, fills, wrong = self.repeat(item, nextitem, limits)
        reports[-1].pytrace_runs = self.n_runs
        if wrong:
            return undecided(guess, 'left about %s behind in its first run; %s' % (show.size(guess), wrong))
        if not sure:
            return None
        libpytrace.snapshot('%s leaks' % self.name(item))
        n = limits.runs or 1
        found = verdict.leaks(self.trace(), self.name(item), self.n_marked - n, n, limits.leaks, limits.marked,
                              limits.filter_fn, limits.thread_only, fills)
        return found and dict(found, failed=limits.marked or self.options.fails)

    def trace(self):
        """The file, when all is in it."""
        libpytrace.flush()
        return libpytrace.stats()['file']

    def report(self, item, reports, found):
        found.update(test=item.nodeid, worker=self.worker)
        call = next(r for r in reports if r.when == 'call')
        call.pytrace = found
        for r in reports:
            r.user_properties = list(r.user_properties) + show.properties(found)
        if found['failed']:
            call.outcome, call.longrepr = 'failed', show.failure(found, item.location, self.options.stacks)

    # ---- repetitions ----

    def repeat(self, item, nextitem, limits):
        """Runs the test again. (whether every run that counts left more behind, whether caches with a bound were filled by
        them, what went wrong or None)"""
        again, caches = sibling(item), bounded_caches()
        self.repeating, self.n_runs = True, 0
        gc.collect()
        gc.freeze()
        try:
            self.gauge.before = self.gauge.read()
            for _ in range(limits.warmups):
                wrong = self.run_again(item, again)
                if wrong:
                    return False, False, wrong
                self.end_again(item)
            for _ in range(ROUNDS):
                entries = fill(caches)
                sure, wrong = self.run_round(item, again, limits)
                if sure is not None:
                    return sure, fill(caches) > entries, wrong
            return False, False, 'what each run leaves became less and less in %s' % show.count(self.n_runs, 'run', 'runs')
        finally:
            gc.unfreeze()
            self.repeating = False
            tear_down(item, nextitem)

    def run_round(self, item, again, limits):
        """The runs that count. (whether each left more behind; None: not as much as before, so it is not known yet), and what
        went wrong or None."""
        rises = []
        for _ in range(limits.runs):
            wrong = self.run_again(item, again)
            if wrong:
                return False, wrong
            rises.append(self.end_again(item))
            if not limits.marked and not is_much(rises[-1], limits.leaks):
                return False, None
        return True if limits.marked or is_steady(rises) else None, None

    def run_again(self, item, nextitem):
        """What went wrong, or None."""
        self.initial.restore()
        self.n_runs += 1
        with warnings.catch_warnings(record=True):
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
        self.initial.restore()
        forget_finished(item)
        return next(('it did not pass when it was repeated: ' + last_line(r) for r in reports if not r.passed), None)

    # ---- what is shown ----

    def pytest_report_header(self):
        warmups, runs = self.options.runs
        return 'pytrace: %s; %s' % (launch.find()[0] or 'traced', 'suspicious tests run %d + %d times more' % (warmups, runs)
                                    if warmups + runs else 'no test is repeated')

    def pytest_runtest_logreport(self, report):
        if hasattr(report, 'pytrace'):
            self.found[report.nodeid, report.pytrace['worker']] = report.pytrace
        if report.when == 'teardown':
            self.tests.add(report.nodeid)
            if getattr(report, 'pytrace_runs', 0):
                self.repeated.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        found = getattr(report, 'pytrace', None)
        if found and report.failed:
            return ('failed', 'M', 'MEMORY PROBLEMS') if found['kind'] == 'memory' else ('failed', 'L', 'LEAKED')
        return None

    def pytest_terminal_summary(self, terminalreporter):
        show.summary(terminalreporter, list(self.found.values()), len(self.tests), len(self.repeated), self.options.stacks,
                     None if self.is_temporary else self.folder)

    def pytest_unconfigure(self):
        if self.is_temporary and os.getpid() == self.pid:
            shutil.rmtree(self.folder, ignore_errors=True)


def undecided(n_bytes, why):
    return {'kind': 'undecided', 'why': why, 'rows': [], 'bytes': n_bytes, 'failed': False}


def last_line(report):
    crash = getattr(report.longrepr, 'reprcrash', None)
    said = crash.message if crash else str(report.longrepr).strip().split('\n')[-1]
    return '%s: %s' % (report.when, said.split('\n')[0][:200])


class Protocol:
    """Runs the tests, where no other plugin does."""

    def __init__(self, session):
        self.session = session

    def pytest_runtest_protocol(self, item, nextitem):
        if self.session.foreign is not None:
            return None
        ihook, is_last = item.ihook, nextitem is None or nextitem.parent is not item.parent
        ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        # What the scope's last test would tear down, the repetitions need still.
        between = sibling(item) if is_last else nextitem
        reports = runtestprotocol(item, log=False, nextitem=between)
        self.session.judge(item, between, reports)
        if is_last:
            self.leave_scope(item, nextitem, reports)
        for report in reports:
            ihook.pytest_runtest_logreport(report=report)
        ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def leave_scope(self, item, nextitem, reports):
        capture = self.session.config.pluginmanager.get_plugin('capturemanager')

        def leave():
            if capture is None:
                return tear_down(item, nextitem)
            with capture.item_capture('teardown', item):
                return tear_down(item, nextitem)
        call = CallInfo.from_call(leave, when='teardown', reraise=(pytest.exit.Exception, KeyboardInterrupt))
        if call.excinfo and reports[-1].passed:
            reports[-1] = item.ihook.pytest_runtest_makereport(item=item, call=call)
            item.ihook.pytest_exception_interact(node=item, call=call, report=reports[-1])
