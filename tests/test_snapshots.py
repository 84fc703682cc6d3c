# SPDX-License-Identifier: Apache-2.0
"""Snapshots are taken when they should be, and the program is none the wiser: its children, signals, status and descriptors."""
import os
import re
import resource
import signal
import subprocess
import time

import harness
import snapshots

FRAME = 1  # enum pt_root

BASE = 'import os, signal, sys, time\n'
# How a program ends: (what it does, its status, the reason of the snapshot)
ENDS = {
    'end': ('', 0, 'exit'),
    'exit': ('sys.exit(3)', 3, 'exit'),
    'exception': ('raise KeyError(1)', 1, 'exit'),
    '_exit': ('os._exit(4)', 4, 'exit'),
    'exec': ('os.execv("/bin/sh", ["sh", "-c", "exit 5"])', 5, 'exit'),
    'abort': ('import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nos.abort()', -signal.SIGABRT, 'fatal'),
    'terminated': ('os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(20)', -signal.SIGTERM, 'fatal'),
    'hung up': ('os.kill(os.getpid(), signal.SIGHUP)\nwhile True: [[] for i in range(100)]', -signal.SIGHUP, 'fatal'),
    'thread exits': ('import threading\nt = threading.Thread(target=lambda: os._exit(6))\nt.start()\nt.join()', 6, 'exit'),
}


def script(tmp, text, name='script.py'):
    path = os.path.join(tmp, name)
    with open(path, 'w') as f:
        f.write(BASE + text + '\n')
    return path


def traced(python, tmp, text, when=None, **more):
    env = dict(more, **({'PYTRACE_SNAPSHOT': when} if when else {}))
    return harness.run_traced([python.path, '-S', '-B', script(tmp, text)], tmp, env=env)


# For programs that ask again: one snapshot is taken at a time, and on a busy machine its copy works for long.
SETTLED = '''
def comm(pid):
    try:
        return open("/proc/%s/comm" % pid).read()
    except OSError:
        return ""
def settled():
    until = time.time() + 60
    while time.time() < until and any(comm(pid) == "pytrace-copy\\n" for pid in filter(str.isdigit, os.listdir("/proc"))):
        time.sleep(0.02)
'''


def taken(trace):
    """[(number, reason)] of the events, checked against the snapshots of the file: all are there and complete."""
    out = harness.pytrace('dump', trace).out
    events = [(int(n), snapshots.REASONS[int(r)]) for n, r in re.findall(r'  snapshot number=(\d+) reason=(\d+)', out)]
    found = snapshots.read(trace)
    assert [n for n, _ in events] == list(found), (events, list(found))
    for n, reason in events:
        assert found[n].complete and found[n].reason == reason, (n, reason, found[n].complete)
    return events


@harness.cases(*ENDS)
@harness.spread(3)
def test_each_end_has_its_snapshot(python, tmp, case):
    text, status, reason = ENDS[case]
    done = traced(python, tmp, text)
    assert done.returncode == status, (case, done.returncode, done.err[-300:])
    assert taken(done.trace) == [(1, reason)], case


KEPT = '''
import atexit, gc, threading
gc.disable()
class Marker:
    pass
class Node:
    pass
kept = [Marker() for i in range(5)]
for i in range(3):
    a, b = Node(), Node()
    a.other, b.other = b, a
del a, b
def waits():
    mine = Marker()
    time.sleep(30)
t = threading.Thread(target=waits)
t.daemon = True
t.start()
def last():
    kept.append(Marker())
atexit.register(last)
time.sleep(0.02)
'''


def test_nothing_is_gone_at_the_exit(python, tmp):
    """What the program has, what its exit functions made, what a daemon thread holds, and cycles that nobody collected."""
    done = traced(python, tmp, KEPT).check()
    found = snapshots.read(done.trace)[1]
    assert found.reason == 'exit'
    names = [o.type for o in found.objects.values()]
    counts = {n: sum(1 for t in names if t.split('.')[-1] == n) for n in ('Marker', 'Node')}
    assert counts == {'Node': 6, 'Marker': 7}, counts


WAITING = '''
import threading
class Marker:
    pass
def inner(barrier):
    mine = Marker()
    barrier.wait()
    barrier.wait()
def waits(barrier):
    mine = Marker()
    inner(barrier)
barrier = threading.Barrier(6)
for i in range(5):
    threading.Thread(target=waits, args=(barrier,), daemon=True).start()
barrier.wait()
time.sleep(0.05)
'''


def test_what_daemon_threads_hold_is_theirs(python, tmp):
    """The interpreter strikes their states off its list before its end is seen: their frames hold on."""
    heap = snapshots.read(traced(python, tmp, WAITING).check().trace)[1].decode()
    frames = [(label.split('.')[-1], edges) for kind, label, _, _, edges in heap.roots if kind == FRAME]
    assert {'_bootstrap', 'run', 'waits', 'inner'} <= {name for name, _ in frames}, frames
    markers = {address for address, o in heap.objects.items() if o.type.split('.')[-1] == 'Marker'}
    held = {target for _, edges in frames for target, name, _ in edges if name == 'mine'}
    assert len(markers) == 10 and markers == held, (len(markers), len(held))


# ---- what the program can see ----

SEEN = '''
import subprocess
got = []
signal.signal(signal.SIGCHLD, lambda *a: got.append(a[0]))
fds = sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) < 100)
kept, until = [], time.time() + 0.5
while time.time() < until:
    kept = [[i] for i in range(300)]
    time.sleep(0.001)
    try:
        print("child", os.waitpid(-1, os.WNOHANG))
        break
    except ChildProcessError:
        pass
print(got, fds == sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) < 100))
pid = os.fork()
if not pid:
    os._exit(9)
print(os.wait() == (pid, 9 << 8), got == [signal.SIGCHLD])
p = subprocess.Popen(["/bin/sh", "-c", "exit 7"])
print(p.wait(), os.system("exit 2") >> 8)
try:
    os.wait()
except ChildProcessError as e:
    print(e)
print(signal.sigpending() if hasattr(signal, "sigpending") else set())
'''


def test_children_and_descriptors_are_as_without(python, tmp):
    plain = harness.run([python.path, '-S', '-B', script(tmp, SEEN)], tmp, harness.clean_env())
    done = traced(python, tmp, SEEN, 'every=30ms,exit')
    assert (done.returncode, done.out, done.err) == (plain.returncode, plain.out, plain.err), (done.out, plain.out, done.err[-300:])
    found = taken(done.trace)
    assert len(found) >= max(2, 5 // harness.patience()) and found[-1][1] == 'exit' and {r for _, r in found[:-1]} == {'timer'}, found


def test_no_process_is_left(tmp):
    """Neither a zombie of the program's nor a copy that goes on without it."""
    text = '''
for i in range(8):
    os.kill(os.getpid(), signal.SIGUSR2)
    kept = [[i] for i in range(20000)]
    time.sleep(0.05)
def state(pid):
    try:
        return open("/proc/%s/stat" % pid).read().split(") ")
    except (OSError, IndexError):
        return None
mine = str(os.getpid())
def children():
    return [s for s in map(state, filter(str.isdigit, os.listdir("/proc"))) if s and s[1].split()[1] == mine]
until = time.time() + 60 * min(10, max(1, os.getloadavg()[0] / 2))
while children() and time.time() < until:
    kept = [[i] for i in range(20000)]
    time.sleep(0.01)  # a copy takes only what time others leave
print(children())
'''
    done = traced(harness.PYTHONS[-1], tmp, text, 'signal=USR2').check()
    assert done.out == '[]\n', done.out
    reasons = [r for _, r in taken(done.trace)]  # signals that come while a copy works are one
    assert max(1, 4 // harness.patience()) <= len(reasons) <= 8 and set(reasons) == {'signal'}, reasons


SIGNALS = '''
print([signal.getsignal(n) for n in range(1, 65) if n not in (9, 19, 32, 33)])
hits = []
print(signal.signal(signal.SIGTERM, lambda *a: hits.append(a[0])) == signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.01)
print(hits, signal.signal(signal.SIGTERM, signal.SIG_DFL) != signal.SIG_DFL, signal.getsignal(signal.SIGTERM))
print(signal.signal(signal.SIGHUP, signal.SIG_IGN))
os.kill(os.getpid(), signal.SIGHUP)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import ctypes
libc = ctypes.CDLL(None)
libc.signal.restype = ctypes.c_void_p
print(libc.signal(signal.SIGQUIT, None), libc.signal(signal.SIGTERM, None))
buffer = ctypes.create_string_buffer(256)
print(libc.sigaction(signal.SIGTERM, None, buffer), buffer.raw == bytes(256))
pid = os.fork()
if not pid:
    time.sleep(20)
time.sleep(0.02)
os.kill(pid, signal.SIGTERM)
print(os.waitpid(pid, 0)[1])
import subprocess
print(subprocess.run([sys.executable, "-S", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"]).returncode)
print(subprocess.run(["/bin/sh", "-c", "kill -TERM $$"]).returncode)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)
print(signal.sigwait([signal.SIGTERM]) == signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(20)
'''


def test_signals_are_as_without(python, tmp):
    plain = harness.run([python.path, '-S', '-B', script(tmp, SIGNALS)], tmp, harness.clean_env())
    done = traced(python, tmp, SIGNALS)
    assert done.returncode == plain.returncode == -signal.SIGTERM, (done.returncode, plain.returncode, done.err[-300:])
    assert (done.out, done.err) == (plain.out, plain.err), (done.out, plain.out, done.err[-300:])
    assert taken(done.trace) == [(1, 'fatal')]


# Where a program is when the signal comes that ends it.
PLACES = {
    'sleep': 'time.sleep(30)',
    'loop': 'while True: pass',
    'allocation': 'while True: [bytearray(99999) for i in range(100)]',
    'bytes': 'while True: bytes(100000)',
    'collection': 'import gc\nx = [[] for i in range(50000)]\nwhile True: gc.collect()',
    'long call': 'x = "a" * 24 + "b"\nimport re\nre.match("(a*)*$", x)',
    'other thread': 'import threading\nt = threading.Thread(target=lambda: [0 for i in iter(int, 1)])\nt.start()\nt.join()',
    'blocked': 'import threading\nthreading.Lock().acquire() and threading.Thread(target=time.sleep, args=(30,)).start()\ntime.sleep(30)',
}


@harness.cases(*PLACES)
@harness.spread(2)
def test_terminated_anywhere(python, tmp, case):
    path = script(tmp, 'print("go", flush=True)\n' + PLACES[case])
    p = subprocess.Popen([python.path, '-S', '-B', path], env=harness.trace_env(tmp), stdout=subprocess.PIPE)
    assert p.stdout.readline() == b'go\n'
    time.sleep(0.15)
    start = time.time()
    p.terminate()
    assert p.wait(30) == -signal.SIGTERM
    assert time.time() - start < 5
    p.stdout.close()
    trace = os.path.join(tmp, 'script.py.%d.pytrace' % p.pid)
    if not os.path.exists(trace):
        trace, = [os.path.join(tmp, n) for n in os.listdir(tmp) if '.%d.' % p.pid in n]
    assert taken(trace) == [(1, 'fatal')]
    assert harness.report('info', trace)['complete']


# ---- when ----

def test_at_a_signal(python, tmp):
    """In a loop that allocates, in one that does not, and while all threads sleep."""
    text = SETTLED + '''
def ask(n, f):
    settled()
    os.kill(os.getpid(), signal.SIGUSR1)
    f()
def spins():
    until = time.time() + 0.25
    while time.time() < until:
        pass
ask(1, lambda: [[i] for i in range(30000)])
ask(2, spins)
ask(3, lambda: time.sleep(0.1))
time.sleep(0.2)
settled()
'''
    done = traced(python, tmp, text, 'signal=USR1').check()
    assert [r for _, r in taken(done.trace)] == ['signal'] * 3


def test_signal_that_all_threads_sleep_through(tmp):
    python = harness.PYTHONS[-1]
    p = subprocess.Popen([python.path, '-S', script(tmp, 'print("go", flush=True)\ntime.sleep(1)')], stdout=subprocess.PIPE,
                         env=harness.trace_env(tmp, PYTRACE_SNAPSHOT='signal=SIGUSR2'))
    assert p.stdout.readline() == b'go\n'
    time.sleep(0.2)
    p.send_signal(signal.SIGUSR2)
    trace, = [os.path.join(tmp, n) for n in os.listdir(tmp) if n.endswith('.pytrace')]
    harness.wait_for(lambda: snapshots.read(trace).get(1) and snapshots.read(trace)[1].complete, 0.7 * harness.patience())
    assert p.wait(20) == 0
    p.stdout.close()
    assert taken(trace) == [(1, 'signal')]


def test_every_so_often_and_after_growth(python, tmp):
    text = '''
import libpytrace
until = time.time() + 0.7
while time.time() < until:
    kept = [[i] for i in range(100)]
    time.sleep(0.001)
hoard = []
for i in range(30):
    hoard.append([bytes(1000) for i in range(1000)])
    time.sleep(0.01)
    libpytrace.flush()  # one is taken at a time
'''
    start = time.monotonic()
    done = traced(python, tmp, text, 'every=100ms').check()
    most, reasons = (time.monotonic() - start) / 0.1 + 1, [r for _, r in taken(done.trace)]
    assert max(2, 6 // harness.patience()) <= len(reasons) <= most and set(reasons) == {'timer'}, (reasons, most)
    done = traced(python, tmp, text, 'growth=25%', PYTRACE_OUTPUT=os.path.join(tmp, 'grown.%p.pytrace')).check()
    reasons = [r for _, r in taken(done.trace)]
    assert 2 <= len(reasons) <= 6 and set(reasons) == {'growth'}, reasons


def test_before_each_collection(python, tmp):
    text = 'import gc\ngc.disable()\nfor i in range(6):\n    x = []\n    x.append(x)\n    gc.collect()\n'
    done = traced(python, tmp, text, 'gc').check()
    found = taken(done.trace)
    assert {r for _, r in found} == {'gc'} and len(found) >= 6, found
    # a snapshot shows what the collection is about to free: the cycle of its turn
    order = re.findall(r'  (snapshot|gc-end) \w+=(\d+)(?: \w+=(\d+))?', harness.pytrace('dump', done.trace).out)
    explicit = [i for i, e in enumerate(order) if e[0] == 'gc-end'][-6:]
    assert all(order[i - 1][0] == 'snapshot' for i in explicit), order[-20:]


def test_off(tmp):
    done = traced(harness.PYTHONS[-1], tmp, 'os.kill(os.getpid(), signal.SIGTERM)', 'off')
    assert done.returncode == -signal.SIGTERM and taken(done.trace) == []


def test_bad_values(tmp):
    for value in ('soon', 'every', 'every=', 'every=0s', 'every=5 s', 'every=1d', 'growth=', 'growth=x%', 'growth=0', 'signal=KILL',
                  'signal=SEGV', 'signal=11', 'signal=0', 'signal=32', 'signal=65', 'signal=', 'exit,off', 'exit,', ',',
                  'every=99999999999h'):
        done = traced(harness.PYTHONS[-1], tmp, 'print(1)', value)
        assert (done.returncode, done.out, done.traces) == (0, '1\n', []), value
        assert done.err.startswith('pytrace: PYTRACE_SNAPSHOT=%s: unknown value (exit, every=60s' % value), done.err
        assert done.err.count('\n') == 1


def test_good_values(tmp):
    for n, value in enumerate(('exit', 'every=1s', 'every=2', 'every=1500ms,growth=5', 'signal=USR2,exit', 'signal=SIGHUP', 'signal=40',
                               'gc,exit')):
        done = traced(harness.PYTHONS[-1], tmp, 'print(1)', value).check()
        assert (done.out, done.err, len(done.traces)) == ('1\n', '', n + 1), value


# ---- forks ----

def test_children_of_a_server(python, tmp):
    """As gunicorn: workers by fork, ended by SIGTERM, by os._exit, by leaving; each has its own snapshot, none its parent's."""
    text = '''
pids = []
for how in "term", "exit", "leave":
    pid = os.fork()
    if not pid:
        mine = [[how] for i in range(1000)]
        if how == "exit":
            os._exit(11)
        if how == "leave":
            sys.exit(12)
        time.sleep(20)
    pids.append(pid)
time.sleep(0.1)
os.kill(pids[0], signal.SIGTERM)
print([os.waitpid(pid, 0)[1] for pid in pids] == [15, 11 << 8, 12 << 8], *pids)
'''
    done = traced(python, tmp, text).check()
    words = done.out.split()
    assert words[0] == 'True', done.out
    assert [taken(done.trace_of(int(pid))) for pid in words[1:]] == [[(1, 'fatal')], [(1, 'exit')], [(1, 'exit')]]
    assert taken(done.trace) == [(1, 'exit')]


def test_request_is_not_inherited(tmp):
    """The parent has asked for a snapshot and has not come to it: the child does not take it."""
    text = '''
import ctypes
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
kept = [[i] for i in range(10000)]
os.kill(os.getpid(), signal.SIGUSR2)
pid = os.fork()
if not pid:
    kept = [[i] for i in range(10000)]
    time.sleep(0.2)
    kept = [[i] for i in range(10000)]
    os._exit(0)
os.waitpid(pid, 0)
print(pid)
'''
    done = traced(harness.PYTHONS[-1], tmp, text, 'signal=USR2').check()
    assert taken(done.trace_of(int(done.out))) == []
    assert [r for _, r in taken(done.trace)] == ['signal']


# ---- what may go wrong ----

def copies():
    """The pids of copies of programs of these tests: those that have our library mapped."""
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/comm' % name) as f, open('/proc/%s/maps' % name) as maps:
                if f.read() == 'pytrace-copy\n' and harness.LIBRARY in maps.read():
                    yield int(name)
        except OSError:
            pass


def copies_of(pid):
    out = []
    for copy in copies():
        try:
            with open('/proc/%d/stat' % copy) as f:
                if int(f.read().rsplit(') ', 1)[1].split()[1]) == pid:
                    out.append(copy)
        except OSError:
            pass
    return out


def at_its_copy(python, tmp, objects=400000):
    """A program that has just begun a snapshot that takes a while: (process, pids of its copy, trace)."""
    text = 'kept = [[i] for i in range(%d)]\nprint("go", flush=True)\nx = 0\nwhile not os.path.exists(sys.argv[1]):\n' \
           '    x = [[i] for i in range(100)]\n    time.sleep(0.001)\nprint("done")' % objects
    p = subprocess.Popen([python.path, '-S', script(tmp, text), os.path.join(tmp, 'stop')], stdout=subprocess.PIPE,
                         env=harness.trace_env(tmp, PYTRACE_SNAPSHOT='signal=USR2'))
    assert p.stdout.readline() == b'go\n'
    p.send_signal(signal.SIGUSR2)
    trace, = [os.path.join(tmp, n) for n in os.listdir(tmp) if n.endswith('.pytrace')]
    seen = []
    harness.wait_for(lambda: seen.extend(copies_of(p.pid)) or seen, 20)
    return p, seen, trace


def test_copy_is_killed(tmp):
    """The program goes on, and so does its trace; the snapshot has no end."""
    p, seen, trace = at_its_copy(harness.PYTHONS[-1], tmp, objects=2000000)
    for pid in seen:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.05)
    open(os.path.join(tmp, 'stop'), 'w').close()
    assert p.communicate(timeout=60)[0] == b'done\n' and p.returncode == 0
    found = snapshots.read(trace)
    assert not found or not found[1].complete
    assert harness.report('info', trace)['complete']


def test_program_is_killed(tmp):
    """The copy of a program that is killed goes on and ends; what it wrote is whole."""
    p, seen, trace = at_its_copy(harness.PYTHONS[-1], tmp, objects=2000000)
    p.kill()
    assert p.wait(20) == -signal.SIGKILL
    p.stdout.close()
    harness.wait_for(lambda: not set(seen) & set(copies()), 60)
    assert taken(trace) == [(1, 'signal')]
    harness.report('info', trace)


def test_program_ends_while_its_copy_works(tmp):
    """It waits: the file is not closed under the copy."""
    text = 'kept = [[i] for i in range(60000)]\nos.kill(os.getpid(), signal.SIGUSR2)\nx = [[i] for i in range(10000)]'
    done = traced(harness.PYTHONS[-1], tmp, text, 'signal=USR2,exit').check()
    assert taken(done.trace) == [(1, 'signal'), (2, 'exit')]
    assert harness.report('info', done.trace)['complete']


def test_size_limit(python, tmp):
    """The trace ends at its limit; a snapshot that does not fit costs only itself."""
    done = traced(python, tmp, 'x = [str(i) for i in range(100000)]\nprint(1)', 'exit', PYTRACE_MAX_SIZE='1500K').check()
    assert done.out == '1\n' and os.path.getsize(done.trace) <= 1500 << 10
    harness.report('info', done.trace)
    for s in snapshots.read(done.trace).values():
        assert not s.complete or s.decode().end


def test_full_disk(tmp):
    harness.need_root()
    disk = os.path.join(tmp, 'disk')
    os.mkdir(disk)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1800k', 'tmpfs', disk], stderr=subprocess.DEVNULL).returncode:
        raise harness.Skip('needs the right to mount')
    try:
        text = 'x = [str(i) for i in range(200000)]\ny = [[i] for i in range(200000)]\nprint(1)'
        done = traced(harness.PYTHONS[-1], tmp, text, 'exit', PYTRACE_OUTPUT=os.path.join(disk, '%n.%p.pytrace'))
        assert (done.returncode, done.out, done.err) == (0, '1\n', ''), (done.returncode, done.err)
        trace, = [os.path.join(disk, n) for n in os.listdir(disk)]
        harness.report('info', trace)
        assert not [s for s in snapshots.read(trace).values() if s.complete]
    finally:
        subprocess.run(['umount', '-l', disk])


def test_other_root_and_user(tmp):
    harness.need_root()
    text = '''
kept = [[i] for i in range(1000)]
os.mkdir(sys.argv[0] + ".root")
os.chroot(sys.argv[0] + ".root")
os.chdir("/")
os.setgid(65534)
os.setuid(65534)
os._exit(8)
'''
    done = traced(harness.PYTHONS[-1], tmp, text)
    assert done.returncode == 8, done.err
    assert taken(done.trace) == [(1, 'exit')]


def test_no_process_to_be_had(tmp):
    """RLIMIT_NPROC: no copy, no harm."""
    harness.need_root()
    text = '''
import resource
os.setgid(65534)
os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
sys.exit(5)
'''
    done = traced(harness.PYTHONS[-1], tmp, text)
    assert (done.returncode, done.err) == (5, '')
    assert snapshots.read(done.trace) == {}
    assert harness.report('info', done.trace)['complete']


INIT = '''
import ctypes
ctypes.CDLL(None).prctl(15, b"tini", 0, 0, 0)
pid = os.fork()
if not pid:
    os.environ.update(e.split("=", 1) for e in sys.argv[2:])
    os.execv(sys.executable, [sys.executable, "-S", "-B", sys.argv[1]])
status = None
while True:
    try:
        one, how = os.wait()
    except ChildProcessError:
        break
    if one == pid:
        status = how
    else:
        print("collected", how)
sys.exit(status and 1)
'''


def test_copies_in_a_container_with_an_init(tmp):
    """Where process 1 collects what ends, copies are its children and nobody else's."""
    harness.need_root()
    text = SETTLED + '''
for i in range(3):
    os.kill(os.getpid(), signal.SIGUSR2)
    kept = [[i] for i in range(20000)]
    print(sorted(open("/proc/self/task/%s/children" % t).read() for t in os.listdir("/proc/self/task")), flush=True)
    time.sleep(0.1)
    settled()
'''
    env = ['LD_PRELOAD=' + harness.LIBRARY, 'PYTRACE_OUTPUT=' + os.path.join(tmp, 't.%p.pytrace'), 'PYTRACE_SNAPSHOT=signal=USR2']
    python = harness.PYTHONS[-1]
    done = harness.run(['unshare', '--pid', '--fork', '--mount-proc', python.path, script(tmp, INIT, 'init.py'), script(tmp, text)] +
                       env, tmp, harness.clean_env())
    if 'unshare' in done.err:
        raise harness.Skip(done.err.strip())
    done.check()
    assert sorted(done.out.split('\n')) == ['', "['']", "['']", "['']"] + ['collected 0'] * 3, done.out
    trace, = done.traces
    assert [r for _, r in taken(trace)] == ['signal'] * 3


def test_first_process_of_a_container(tmp):
    """The kernel lets process 1 live when a signal comes that it has no handler for: so it does with ours."""
    harness.need_root()
    text = 'os.kill(1, signal.SIGTERM)\nos.kill(1, signal.SIGHUP)\ntime.sleep(0.2)\nprint(os.getpid(), "lives")'
    done = harness.run(['unshare', '--pid', '--fork', '--mount-proc', 'env', 'LD_PRELOAD=' + harness.LIBRARY,
                        'PYTRACE_OUTPUT=' + os.path.join(tmp, 't.%p.pytrace'), harness.PYTHONS[-1].path, script(tmp, text)],
                       tmp, harness.clean_env())
    if 'unshare' in done.err:
        raise harness.Skip(done.err.strip())
    assert done.check().out == '1 lives\n'
    assert taken(done.traces[0]) == [(1, 'exit')]


def test_small_program_is_hardly_slower(tmp):
    """A snapshot of an empty program costs milliseconds of the processor's time, the copy's included."""
    python = harness.PYTHONS[-1]

    def cost(when):
        spent = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            traced(python, tmp, 'pass', when).check()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(spent)
    assert cost('exit') - cost('off') < 0.06
