# SPDX-License-Identifier: Apache-2.0
"""harness: what the Python tests share: running a program traced, reading its trace, comparing."""
import contextlib
import fcntl
import glob
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(HERE)
BUILD = LIBRARY = PYTRACE = None
FULL, KEEP, KILLS = False, False, 20
PYTHONS = []  # all interpreters that the tests run with
SETTINGS = {}  # of the tracer, in this test, unless it says otherwise: see TRACED_WITH in tests/run
SHARED = None  # a directory for what several tests need, made once (see made_once); None: each makes its own


class Skip(Exception):
    """Raised by a test that can't run here; the reason is printed."""


def configure(build, full=False, kills=None, keep=False):
    global BUILD, LIBRARY, PYTRACE, FULL, KILLS, KEEP
    BUILD = os.path.abspath(build)
    LIBRARY = os.path.join(BUILD, 'preload', 'libpytrace.so')
    PYTRACE = os.path.join(BUILD, 'analyzer', 'pytrace')
    FULL, KEEP = full, keep
    KILLS = kills if kills is not None else 500 if full else 20


def cases(*values):
    """Runs a test once for each value, given to its parameter `case`."""
    def mark(function):
        function.test_cases = list(values)
        return function
    return mark


def timeout(seconds):
    def mark(function):
        function.test_timeout = seconds
        return function
    return mark


def spread(n):
    """A test with many cases that costs much: each case runs on `n` of the interpreters, in turn, so that all cases and all
    interpreters are met; with --full each runs on all."""
    def mark(function):
        function.test_spread = n
        return function
    return mark


def first(function):
    """Marks a long test that mostly sleeps: such run one after the other, beside the rest."""
    function.test_first = True
    return function


def patience():
    """What to multiply a time limit by: on a machine that others use too, everything takes longer."""
    return min(10, max(1, os.getloadavg()[0] / len(os.sched_getaffinity(0))))


def need_root():
    if os.geteuid():
        raise Skip('needs root')


def built(name):
    """The path of something that meson builds in tests/."""
    path = os.path.join(BUILD, 'tests', name)
    assert os.path.exists(path), '%s is not built' % path
    return path


# ---- running programs ----

def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PYTRACE_', 'PYTHON')) and k != 'LD_PRELOAD'}
    env['PYTHONDONTWRITEBYTECODE'] = '1'
    env.update(more)
    return env


class Done:
    """How a program ended, and the traces that it left."""

    def __init__(self, argv, pid, returncode, out, err, folder):
        self.argv, self.pid, self.returncode = argv, pid, returncode
        self.out, self.err = out.decode('utf-8', 'surrogateescape'), err.decode('utf-8', 'surrogateescape')
        self.folder = folder

    @property
    def traces(self):
        return sorted(glob.glob(os.path.join(self.folder, '*.pytrace')))

    @property
    def trace(self):
        """The trace of the process started (not of its children)."""
        own = [t for t in self.traces if t.split('.')[-2] == str(self.pid)]
        assert len(own) == 1, 'traces of pid %d: %s of %s; stderr: %s' % (self.pid, own, self.traces, self.err[-300:])
        return own[0]

    def trace_of(self, pid):
        own = [t for t in self.traces if t.split('.')[-2] == str(pid)]
        assert len(own) == 1, 'traces of pid %d: %s of %s' % (pid, own, self.traces)
        return own[0]

    def check(self):
        assert self.returncode == 0, '%s ended with %d: %s' % (self.argv, self.returncode, self.err[-2000:])
        return self


def run(argv, tmp=None, env=None, timeout=100, stdin=None, cwd=None, **popen):
    """Runs a program to its end. A time-out is a failure of the test. Returns Done."""
    timeout *= patience()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        p = subprocess.Popen(argv, stdout=out, stderr=err, env=env if env is not None else clean_env(), cwd=cwd,
                             stdin=subprocess.DEVNULL if stdin is None else stdin, **popen)
        try:
            p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            raise AssertionError('%s: no end after %d s' % (argv, timeout))
        out.seek(0)
        err.seek(0)
        return Done(argv, p.pid, p.returncode, out.read(), err.read(), tmp)


def trace_env(tmp, **more):
    assert os.path.exists(LIBRARY), '%s is not built' % LIBRARY
    env = clean_env(LD_PRELOAD=LIBRARY, PYTRACE_OUTPUT=os.path.join(tmp, '%n.%p.pytrace'), **SETTINGS)
    env.update(more)
    return env


def run_traced(argv, tmp, env=None, **more):
    """The same with the tracer preloaded; traces go to `tmp`."""
    return run(argv, tmp, trace_env(tmp, **(env or {})), **more)


# ---- what several tests need ----

@contextlib.contextmanager
def made_once(*key):
    """What tests with the same key share: yields (folder, whether it is there already). Who finds that it is not makes it there,
    while others wait. What failed to be made is not there: the next one tries, too."""
    folder = os.path.join(SHARED, hashlib.sha256(repr(key).encode('utf-8', 'surrogateescape')).hexdigest()[:24])
    with open(folder + '.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = os.path.exists(folder + '.made')
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
        yield folder, there
        if not there:
            os.close(os.open(folder + '.made', os.O_CREAT | os.O_WRONLY))


def once(key, run_in):
    """What run_in(folder) returned when it was called the first time."""
    with made_once(*key) as (folder, there):
        saved = os.path.join(folder, 'returned.pickle')
        if not there:
            with open(saved, 'wb') as f:
                pickle.dump(run_in(folder), f)
        with open(saved, 'rb') as f:
            return pickle.load(f)


def run_traced_once(argv, tmp, env=None):
    """run_traced() of a program that does the same each time, for tests that only read its traces: it is run once for all of them."""
    if not SHARED:
        return run_traced(argv, tmp, env)
    settings = sorted(trace_env('', **(env or {})).items())
    return once(('traced', argv, settings), lambda folder: run_traced(argv, folder, env))


def compiled(out, compiler, *args):
    """Runs the compiler to make the file `out`, once for all tests that want the same of files that are no test's own. Returns `out`."""
    if not shutil.which(compiler):
        raise Skip('no ' + compiler)
    if not SHARED:
        run([compiler, '-o', out, *args]).check()
        return out
    with made_once('compiled', compiler, args) as (folder, there):
        made = os.path.join(folder, 'made')
        if not there:
            run([compiler, '-o', made, *args]).check()
        return shutil.copy(made, out)


def extension(python, out, source, *args):
    """Compiles an extension module for an interpreter, or skips."""
    if not os.path.exists(os.path.join(python.include, 'Python.h')):
        raise Skip('no Python.h for this interpreter')
    # packages of distributions include files relative to /usr/include, wherever they were unpacked
    return compiled(out, 'cc' if source.endswith('.c') else 'c++', '-g', '-O2', '-shared', '-fPIC', *args, '-I' + python.include,
                    '-I' + os.path.dirname(python.include), source)


# ---- reading traces ----

def pytrace(*args, status=0, timeout=100):
    """Runs the analyzer; checks its exit status (None: any). Returns Done."""
    assert os.path.exists(PYTRACE), '%s is not built' % PYTRACE
    done = run([PYTRACE] + list(args), timeout=timeout)
    assert done.returncode >= 0, 'pytrace %s died of %s: %s' % (
        ' '.join(args), signal.Signals(-done.returncode).name, done.err[-1500:])
    assert status is None or done.returncode == status, 'pytrace %s: exit status %d, not %d: %s' % (
        ' '.join(args), done.returncode, status, done.err[-1500:])
    return done


def unique(pairs):
    """A JSON object whose keys are told apart."""
    d = dict(pairs)
    assert len(d) == len(pairs), 'a key is there twice: %s' % [k for k, _ in pairs]
    return d


def report(command, *args, **more):
    """`pytrace COMMAND --json ARGS` as a Python object. Of a trace that tests share it is made once."""
    if SHARED and not more and args[-1].startswith(SHARED):
        done = once(('report', command) + args, lambda folder: pytrace(command, '--json', *args))
    else:
        done = pytrace(command, '--json', *args, **more)
    doc = json.loads(done.out, object_pairs_hook=unique)
    assert doc['schema'] == 'pytrace.%s/1' % command, doc['schema']
    return doc


def counts_report(*args):
    """`pytrace refs --json ARGS`, or a skip where nothing can be watched: other tests say that this is told."""
    doc = report('refs', *args)
    if not doc['watch']['means']:
        raise Skip(doc['watch']['off'])
    return doc


def is_inside(path, folder):
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


def wait_for(condition, seconds):
    """Whether the condition became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
