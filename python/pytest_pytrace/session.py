# SPDX-License-Identifier: Apache-2.0
"""session: a traced session of pytest: marks, repetitions, verdicts in the reports

Repeated: each test once more, because what a first run leaves behind is no leak yet (imports, caches, pytest's own reports),
       and a run that leaves nothing more allocated ends the matter. So a healthy test costs a second run. One that goes on
       leaving something is repeated as --pytrace-runs says. Fixtures of a wider scope stay set up meanwhile. The outcome
       of repetitions is not reported, but one that does not pass ends them.
Recorded: nothing but the last run to warm up and those that are judged (and what a mark wants of the first), so that most
       tests run at full speed, and the analyzer has little to read. With --pytrace-path the whole session.
Marks: "TEST setup", "TEST call", "TEST teardown" and "TEST end", for each run that is recorded; a worker of xdist puts its
       name before: "[gw0] TEST call".
Order: runs, repetitions and the verdict come before the reports of a test are logged, so that its outcome is its outcome:
       for -x, for JUnit, for a controller of xdist.
"""
import gc
import os
import shutil
import sys

import libpytrace
import pytest
from _pytest.runner import CallInfo, runtestprotocol

from . import launch, parse_size, setting, show, verdict
from .gauge import Gauge, weight
from .repeat import Inconclusive, Item, Repetitions, sibling, tear_down

LIMIT = 256        # bytes a run, where nobody gave one: what comes out the same in every run is told below it, too
USUAL_RUNS = 2     # after the first, of which the first leaves some blocks that pytest keeps for an item
LABEL_BYTES = 900  # of a test's name in a mark; the tracer cuts off at 1024


def register(config, folder):
    if not launch.is_traced():
        config.issue_config_time_warning(pytest.PytestWarning(
            '--pytrace: this worker is not traced; start it with LD_PRELOAD=libpytrace.so'), 2)
        return
    session = TracedSession(config, folder)
    config.pluginmanager.register(session, 'pytrace_session')
    config.pluginmanager.register(Protocol(session), 'pytrace_protocol')


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
        self.bytes, more = leaks or (options.limit, {})
        self.given = self.marked or options.is_limit_given  # by somebody, and then nothing less is told
        self.filter_fn, self.thread_only = more.get('filter_fn'), more.get('current_thread_only', False)
        self.warmups, self.runs = options.runs
        if more.get('warmups') is not None:
            self.warmups = int(more['warmups'])
        self.memory, more = memory or (None, {})
        self.memory_thread_only = more.get('current_thread_only', False)


# ---- the session ----

class Options:
    def __init__(self, config):
        self.runs, self.limit = setting(config, 'pytrace_runs'), setting(config, 'pytrace_limit')
        self.suspect, self.seconds = setting(config, 'pytrace_suspect'), setting(config, 'pytrace_seconds')
        self.stacks = setting(config, 'pytrace_stacks')
        self.fails, self.is_limit_given = self.limit is not None, isinstance(self.limit, int)
        self.limit = self.limit if self.is_limit_given else LIMIT


class TracedSession:
    def __init__(self, config, folder):
        self.config = config
        self.folder, self.is_temporary = folder
        self.options = Options(config)
        self.worker = os.environ.get('PYTEST_XDIST_WORKER', '')
        self.gauge = Gauge()
        self.pid = os.getpid()
        self.is_whole = libpytrace.stats()['recording']  # the session is recorded from its start to its end
        self.is_recording = self.is_whole
        self.repeating = False
        self.foreign = None    # reports of a test that another plugin runs
        self.initial = None
        self.nextitem = None
        self.n_marked = 0      # runs of this test that are recorded
        self.since = 0         # where in the file they begin
        self.found, self.tests, self.repeated, self.unseen = {}, set(), set(), set()

    # ---- recording ----

    def record(self, on):
        if not self.is_whole and on != self.is_recording:
            (libpytrace.start if on else libpytrace.stop)()
            self.is_recording = on

    def record_runs(self):
        """From here on, runs that the analyzer is to be asked about."""
        self.record(True)
        libpytrace.flush()
        self.n_marked, self.since = 0, libpytrace.stats()['file_bytes']

    def name(self, item):
        text = item.nodeid.encode('ascii', 'backslashreplace')[:LABEL_BYTES].decode()
        return '[%s] %s' % (self.worker, text) if self.worker else text

    def mark(self, item, phase):
        if self.is_recording:
            libpytrace.mark('%s %s' % (self.name(item), phase))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        if not self.repeating:
            self.start_first(item)
        self.n_marked += self.is_recording
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

    def start_first(self, item):
        """The first run is recorded when a mark asks for something that only the trace knows."""
        if item.get_closest_marker('limit_memory') is not None or \
                item.get_closest_marker('limit_leaks') is not None and not any(self.options.runs):
            self.record_runs()
        else:
            self.record(False)
        self.gauge.start()

    def end_first(self, item):
        """About what the first run left, in bytes; pytest's reports of it included."""
        if not self.is_recording and not self.options.suspect:
            gc.collect(1)
            return weight(self.gauge.rise())
        guess = weight(self.gauge.rise_settled())
        self.mark(item, 'end')
        return guess

    # ---- a test ----

    def is_rerun_by_others(self, item):
        plugin = self.config.pluginmanager.get_plugin('rerunfailures') or sys.modules.get('pytest_rerunfailures')
        reruns = getattr(plugin, 'get_reruns_count', None)
        return bool(reruns and reruns(item) is not None)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        self.initial, self.nextitem = Item(item), nextitem
        self.foreign = [] if self.is_rerun_by_others(item) else None
        yield
        self.record(False)
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
        if os.getpid() != self.pid or not reports:
            return
        reports[-1].pytrace_runs = 0
        if any(not r.passed or hasattr(r, 'wasxfail') for r in reports):
            return
        try:
            found = self.verdict(item, nextitem, reports, guess)
        except (Inconclusive, ValueError, verdict.Unreadable) as wrong:
            found = {'kind': 'undecided', 'why': str(wrong), 'rows': [], 'bytes': guess, 'failed': isinstance(wrong, ValueError)}
        if found:
            self.report(item, reports, found)

    def verdict(self, item, nextitem, reports, guess):
        """What is found against a test that passed, or None. Inconclusive, verdict.Unreadable; ValueError: of a mark."""
        limits = Limits(item, self.options)
        memory = limits.memory is not None and verdict.memory(
            self.trace(), self.since, self.name(item), limits.memory, limits.memory_thread_only)
        if memory:
            return dict(memory, failed=True)
        if not limits.warmups + limits.runs:
            return self.leak(item, limits, 1, True) if limits.marked else None
        if not limits.marked and guess < self.options.suspect:
            return None
        self.record(False)
        runs = Repetitions(self, item, self.initial, limits)
        self.repeating = True
        try:
            return runs.leak(lambda: self.leak(item, limits, runs.n_judged or 1, runs.is_filling))
        finally:
            self.repeating = False
            reports[-1].pytrace_runs = runs.n
            tear_down(item, nextitem)

    def leak(self, item, limits, n, is_filling):
        """What the trace says of the last `n` runs, or None. With a snapshot for types and holders, when there is anything."""
        asked = (self.name(item), self.n_marked - n, n, limits, is_filling)
        if not verdict.leaks(self.trace(), self.since, *asked):
            return None
        libpytrace.snapshot('%s leaks' % self.name(item))
        found = verdict.leaks(self.trace(), self.since, *asked)
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
            n_runs = getattr(report, 'pytrace_runs', None)
            if n_runs is None:
                self.unseen.add(report.nodeid)
            elif n_runs > USUAL_RUNS:
                self.repeated.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        found = getattr(report, 'pytrace', None)
        if found and report.failed:
            return ('failed', 'M', 'MEMORY PROBLEMS') if found['kind'] == 'memory' else ('failed', 'L', 'LEAKED')
        return None

    def pytest_terminal_summary(self, terminalreporter):
        show.summary(terminalreporter, list(self.found.values()), len(self.tests), len(self.repeated), len(self.unseen), self.options.stacks,
                     None if self.is_temporary else self.folder)

    def pytest_unconfigure(self):
        if self.is_temporary and os.getpid() == self.pid:
            shutil.rmtree(self.folder, ignore_errors=True)


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
