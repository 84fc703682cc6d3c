# SPDX-License-Identifier: Apache-2.0
"""A traced program behaves as the untraced one does: its output, its status, and what it can see of itself."""
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile

import harness
import tracefile

# Every script prints what a program can see; traced and untraced must print the same.
SEEN = {
    'status': 'import sys; print("out"); print("err", file=sys.stderr); sys.exit(37)',
    'exception': 'def f():\n    raise KeyError("nobody catches it")\nf()',
    'descriptors': '''
import os
print(sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) < 100))
print(os.open("/dev/null", os.O_RDONLY))
''',
    'threads and children': '''
import os, threading
print(len(os.listdir("/proc/self/task")), threading.active_count())
print([open("/proc/self/task/%s/children" % t).read() for t in os.listdir("/proc/self/task")])
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError as e:
    print(e)
''',
    'fork warning': '''
import os, sys, warnings
warnings.simplefilter("error")
pid = os.fork()
if not pid:
    os._exit(4)
print(os.waitpid(pid, 0)[1])
''',
    'signals': '''
import signal
print([signal.getsignal(n) for n in range(1, 65) if n not in (9, 19, 32, 33)])
print([l for l in open("/proc/self/status") if l.startswith(("SigBlk", "SigIgn", "ShdPnd", "NoNewPrivs"))])
caught, = [int(l.split()[1], 16) for l in open("/proc/self/status") if l.startswith("SigCgt")]
# the kernel shows the tracer's handlers for signals that would end the program; nobody else does
ends = sum(1 << n - 1 for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU))
print(hex(caught & ~ends))
''',
    'limits': '''
import resource
print([resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")])
import os
print(os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)), os.umask(0))
''',
    'environment': '''
import os
print(sorted((k, v) for k, v in os.environ.items() if k not in ("LD_PRELOAD", "PYTRACE_OUTPUT")))
''',
    'errno': '''
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = libc.calloc.restype = libc.realloc.restype = libc.mmap.restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
def show(*x):
    print(ctypes.get_errno(), *x)
for i in range(3000):
    ctypes.set_errno(77)
    p = libc.malloc(10)
    p = libc.realloc(p, 100000)
    libc.free(p)
    if ctypes.get_errno() != 77:
        show("changed at", i)
show(libc.malloc(-1))
ctypes.set_errno(0)
show(libc.realloc(None, -1))
show(libc.posix_memalign(ctypes.byref(ctypes.c_void_p()), 3, 8))
show(libc.munmap(1, 4096), errno.errorcode[ctypes.get_errno()])
ctypes.set_errno(5)
show(libc.execv(b"/nonexistent", None))
''',
    'allocated blocks': '''
import sys, gc
gc.collect()
a = sys.getallocatedblocks()
kept = [object() for i in range(5000)]
b = sys.getallocatedblocks()
del kept
print(b - a, sys.getallocatedblocks() - a)
''',
    'gc': '''
import gc
print(gc.get_threshold(), gc.get_count(), gc.get_stats(), len(gc.get_objects()), gc.get_debug(), gc.garbage, gc.callbacks)
class A: pass
for i in range(5000):
    a = A(); a.a = a
print(gc.collect(), gc.get_stats(), len(gc.get_objects()))
''',
    'tracemalloc': '''
import tracemalloc
tracemalloc.start(5)
def f(n):
    return [bytes(1000) for i in range(n)]
a, b = f(100), {i: str(i) for i in range(1000)}
s = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__)])
print(sorted((t.traceback[0].lineno, t.size, t.count) for t in s.statistics("lineno")))
print(tracemalloc.get_object_traceback(a).format())
tracemalloc.stop()
''',
    'frames and references': '''
import sys
seen = []
def tracer(frame, event, arg):
    seen.append((event, frame.f_lineno, frame.f_lasti, frame.f_trace_lines, frame.f_trace_opcodes))
    return tracer
def g():
    x = [bytes(10) for i in range(3)]
    yield x
    yield sys.getrefcount(x)
def f():
    it = g()
    frame = it.gi_frame
    a = next(it), frame.f_lasti, frame.f_lineno
    try:
        {}[1]
    except KeyError as e:
        b = e.__traceback__.tb_lasti, e.__traceback__.tb_lineno, e.__traceback__.tb_frame.f_trace_lines
    return a, b, next(it), sys._getframe().f_lasti, sys._getframe().f_trace_lines
sys.settrace(tracer)
print(f())
sys.settrace(None)
print(seen)
print(f())
print(sys.getrefcount(object()), sys.getrefcount(f), sys.getsizeof(f), sys.getsizeof(sys._getframe()))
profile = []
sys.setprofile(lambda frame, event, arg: profile.append((event, frame.f_code.co_name)))
f()
sys.setprofile(None)
print(profile)
''',
    'recursion limit': '''
import sys
def f(n):
    try:
        return f(n + 1)
    except RecursionError:
        return n
print([f(0) for i in range(3)])
sys.setrecursionlimit(400)
print(f(0))
''',
    'alignment': '''
import ctypes
libc = ctypes.CDLL(None)
for f in libc.aligned_alloc, libc.memalign:
    f.restype = ctypes.c_void_p
    print([f(1 << n, 1 << n) % (1 << n) for n in range(3, 22)])
libc.malloc.restype = ctypes.c_void_p
libc.malloc_usable_size.argtypes = [ctypes.c_void_p]
print([libc.malloc_usable_size(libc.malloc(n)) >= n for n in range(2000)], libc.malloc_usable_size(None))
''',
    'exit handlers': '''
import atexit, threading, sys, os
atexit.register(print, "first registered")
atexit.register(lambda: [bytes(1000) for i in range(1000)] and print("second"))
class A:
    def __del__(self):
        sys.stdout.write("deleted\\n")
a = A()
threading.Thread(target=lambda: print("thread")).start()
''',
    'modules': '''
import sys, sysconfig
print(sorted(sys.modules), sys.flags, sys.executable, sys.argv, sys.path)
print(sys.getdlopenflags(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile(), sys.thread_info)
''',
    'exec that fails': '''
import os
for i in range(3):
    try:
        os.execv("/nonexistent/program", ["x"])
    except OSError as e:
        print(e.errno)
print(len([bytes(100) for i in range(10)]))
''',
}


def untraced_env(tmp):
    """As the traced one, with a library preloaded that does nothing."""
    env = harness.trace_env(tmp)
    env['LD_PRELOAD'] = harness.built('truth/truth.so')
    return env


def strip(text):
    return re.sub(r'0x[0-9a-f]+', '0x', text)


def both(argv, tmp, **more):
    """(untraced, traced), after checking that they cannot be told apart from outside."""
    folder = os.path.join(tmp, 'traces')
    os.makedirs(folder, exist_ok=True)
    pair = []
    extra = more.pop('env', {})
    for env in untraced_env(folder), harness.trace_env(folder):
        env.update(extra)
        env['PYTHONHASHSEED'] = '0'
        pair.append(harness.run(argv, folder, env, **more))
    a, b = pair
    assert a.returncode == b.returncode, 'status %d, traced %d: %s' % (a.returncode, b.returncode, b.err[-500:])
    for name, x, y in ('stdout', a.out, b.out), ('stderr', a.err, b.err):
        x, y = strip(x), strip(y)
        if x != y:
            at = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
            raise AssertionError('%s differs: %r, traced %r' % (name, x[max(0, at - 40):at + 80], y[max(0, at - 40):at + 80]))
    return a, b


def script(tmp, text):
    path = os.path.join(tmp, 'script.py')
    with open(path, 'w') as f:
        f.write(text)
    return path


@harness.cases(*SEEN)
def test_sees_the_same(python, tmp, case):
    a, b = both([python.path, '-B', script(tmp, SEEN[case])], tmp)
    assert len(b.traces) >= 1, 'nothing was traced'
    assert a.out or a.err


def test_one_descriptor_above_100(python, tmp):
    text = '''
import os, fcntl
for n in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink("/proc/self/fd/" + n)
    except OSError:
        continue
    if int(n) > 2 and not target.endswith("/fd"):
        print(n, target.rsplit(".", 1)[-1], fcntl.fcntl(int(n), fcntl.F_GETFD))
'''
    done = harness.run_traced([python.path, script(tmp, text)], tmp).check()
    lines = [l.split() for l in done.out.splitlines()]
    assert len(lines) <= 1 and all(int(n) >= 100 and cloexec == '1' for n, _, cloexec in lines), done.out


def test_closed_descriptors(python, tmp):
    """0, 1 and 2 closed at the start: the trace must not become somebody's standard output."""
    text = 'import os\nx = [bytes(1000) for i in range(100000)]\nfor n in range(3):\n    os.open(%r + str(n), os.O_RDWR | os.O_CREAT)\n' \
        'os.write(1, b"mine\\n")\n' % os.path.join(tmp, 'file')
    path = script(tmp, text)
    done = harness.run(['/bin/sh', '-c', 'exec %s %s 0<&- 1>&- 2>&-' % (python.path, path)], tmp,
                       harness.trace_env(tmp))
    assert done.returncode == 0
    for n in range(3):
        with open(os.path.join(tmp, 'file%d' % n)) as f:
            assert f.read() == ('mine\n' if n == 1 else ''), n
    assert harness.report('info', done.trace)['complete']


DAEMON = '''
import os, sys
folder = sys.argv[1]
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 70000)
names = [os.path.join(folder, "mine%d" % i) for i in range(200)]
fds = [os.open(n, os.O_RDWR | os.O_CREAT) for n in names]
kept = []
for i in range(300):
    kept.append([bytes(n) for n in range(300)])
    if i % 3:
        kept.pop()
for fd in fds:
    os.write(fd, b"mine")
    os.lseek(fd, 0, 0)
good = all(os.read(fd, 100) == b"mine" for fd in fds) and all(os.stat(fd).st_size == 4 for fd in fds)
with open(os.path.join(folder, "done"), "w") as f:
    f.write("%s %d" % (good, os.getpid()))
'''


def test_daemon_that_closes_all(python, tmp):
    """A daemon closes all descriptors and opens its own files with the same numbers: none may be written to by us."""
    done = harness.run_traced([python.path, script(tmp, DAEMON), tmp], tmp).check()
    path = os.path.join(tmp, 'done')
    assert harness.wait_for(lambda: os.path.exists(path) and open(path).read(), 60), 'the daemon never ended'
    good, pid = open(path).read().split()
    assert good == 'True', 'a file of the daemon was changed'
    harness.wait_for(lambda: not os.path.exists('/proc/' + pid), 20)
    for trace in done.traces:
        harness.report('info', trace)


def test_descriptor_taken_over(python, tmp):
    """dup2 onto every number from 100 on, and the numbers we use: the file put there stays as it is."""
    text = '''
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for n in list(range(100, 400)) + list(range(900, 1024)):
    os.dup2(fd, n)
kept = [bytes(n % 2000) for n in range(300000)]
pid = os.fork()
if not pid:
    more = [bytes(n % 2000) for n in range(300000)]
    os._exit(0)
os.waitpid(pid, 0)
print(os.fstat(fd).st_size)
'''
    done = harness.run_traced([python.path, script(tmp, text), os.path.join(tmp, 'mine')], tmp).check()
    assert done.out == '0\n', done.out
    info = harness.report('info', done.trace)
    assert info['complete'] or info['events']['lost'] or info['ended'].startswith('stopped'), info


# ---- limits ----

ALLOCATES = '''
import sys
kept = []
for i in range(400):
    kept.append([bytes(n) for n in range(500)])
    kept.append({n: str(n) for n in range(500)})
    if i % 2:
        kept.pop()
print(len(kept), sum(map(len, kept)))
sys.exit(9)
'''


def limited(what, soft):
    return lambda: resource.setrlimit(what, (soft, resource.getrlimit(what)[1]))


@harness.cases(100, 1000, 4096, 10000, 1 << 16, 1 << 18, 1 << 20)
def test_file_size_limit(tmp, case):
    """RLIMIT_FSIZE: no SIGXFSZ reaches the program; the trace, if there is one, says that it stops."""
    for python in harness.PYTHONS:
        folder = tempfile.mkdtemp(dir=tmp)
        done = harness.run_traced([python.path, '-B', script(tmp, ALLOCATES)], folder,
                                  preexec_fn=limited(resource.RLIMIT_FSIZE, case))
        assert (done.returncode, done.out) == (9, '600 300000\n'), (python.label, done.returncode, done.out, done.err)
        for trace in done.traces:
            assert os.path.getsize(trace) <= case
            if case >= 10000:
                info = harness.report('info', trace)
                assert not info['complete'] and 'stopped' in info['ended'], (python.label, info['ended'])


@harness.cases(56, 80, 160)
def test_address_space_limit(tmp, case):
    """RLIMIT_AS: the program gets its MemoryError as it would, and goes on. (The tracer takes up to 30 MiB of address space.)"""
    text = '''
import sys
kept = []
try:
    while True:
        kept.append(bytearray(1 << 20))
except MemoryError:
    n = len(kept)
    del kept
print("error after", n > 1)
print(len([str(i) for i in range(10000)]))
'''
    for python in harness.PYTHONS:
        folder = tempfile.mkdtemp(dir=tmp)
        done = harness.run_traced([python.path, '-B', script(tmp, text)], folder,
                                  preexec_fn=limited(resource.RLIMIT_AS, case << 20))
        plain = harness.run([python.path, '-B', script(tmp, text)], preexec_fn=limited(resource.RLIMIT_AS, case << 20))
        assert (done.returncode, done.out) == (plain.returncode, plain.out), (python.label, done.returncode, done.err[-300:])
        for trace in done.traces:
            harness.report('info', trace)


@harness.cases(6, 10, 64, 101)
def test_descriptor_limit(tmp, case):
    """RLIMIT_NOFILE below the number that we would use."""
    for python in harness.PYTHONS:
        limit = limited(resource.RLIMIT_NOFILE, case)
        plain = harness.run([python.path, '-B', script(tmp, ALLOCATES)], preexec_fn=limit)
        done = harness.run_traced([python.path, '-B', script(tmp, ALLOCATES)], tempfile.mkdtemp(dir=tmp), preexec_fn=limit)
        assert (done.returncode, done.out) == (plain.returncode, plain.out), (python.label, done.returncode, done.err)
        for trace in done.traces:
            harness.report('info', trace)


# ---- output that cannot be written ----

def test_output_in_no_directory(python, tmp):
    done = harness.run_traced([python.path, '-B', script(tmp, ALLOCATES)], tmp,
                              {'PYTRACE_OUTPUT': os.path.join(tmp, 'no', 'such', 'directory', 'x.pytrace')})
    assert (done.returncode, done.out) == (9, '600 300000\n')
    assert len(done.err.splitlines()) == 1 and 'no/such/directory' in done.err, done.err


ODD = {'full': '/dev/full', 'null': '/dev/null', 'root': '/', 'proc': '/proc/self/nothing', 'empty': '', 'percent': '%',
       'letter': '%q', 'long': 'x' * 5000, 'deep': 'a/' * 3000}


@harness.cases(*ODD)
def test_output_that_is_odd(tmp, case):
    case = ODD[case]
    done = harness.run_traced([harness.PYTHONS[-1].path, '-B', script(tmp, ALLOCATES)], tmp,
                              {'PYTRACE_OUTPUT': case}, cwd=tmp)
    if os.path.isfile(case + '-2'):
        os.unlink(case + '-2')
        raise AssertionError('a file was made beside %s' % case)
    assert (done.returncode, done.out) == (9, '600 300000\n'), (done.returncode, done.err[-300:])
    assert len(done.err.splitlines()) <= 1, done.err[-300:]
    if case.startswith('/') or len(case) > 300:
        assert done.err, 'not a word'


def test_output_file_that_exists(tmp):
    """An older file of the same name is not lost without need, and never mixed with the new one."""
    python, path = harness.PYTHONS[-1], os.path.join(tmp, 'fixed.pytrace')
    for i in range(2):
        harness.run_traced([python.path, '-c', 'x = %d' % i], tmp, {'PYTRACE_OUTPUT': path}).check()
    for name in os.listdir(tmp):
        assert harness.report('info', os.path.join(tmp, name))['complete'], name


def test_read_only_directory(tmp):
    harness.need_root()
    os.chmod(tmp, 0o755)
    env = harness.trace_env(tmp)
    del env['PYTRACE_OUTPUT']
    python = [p for p in harness.PYTHONS if p.path.startswith('/usr/')]
    if not python:
        raise harness.Skip('no interpreter that another user may run')
    done = harness.run([python[0].path, '-c', 'import os; print(os.getuid(), len([bytes(9) for i in range(9999)]))'], tmp, env,
                       cwd=tmp, preexec_fn=lambda: os.setuid(65534))
    assert (done.returncode, done.out) == (0, '65534 9999\n'), (done.returncode, done.err)
    assert len(done.err.splitlines()) == 1 and not done.traces, (done.err, done.traces)


class Mounted:
    """A small file system that is full soon."""

    def __init__(self, path, size):
        self.path = path
        os.makedirs(path)
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=' + size, 'pytrace-test', path],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            raise harness.Skip('cannot mount a tmpfs: ' + done.stderr.decode().strip())

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        subprocess.call(['umount', '-l', self.path])


@harness.cases('4k', '8k', '64k', '600k', '2m')
def test_disk_full(tmp, case):
    harness.need_root()
    for python in harness.PYTHONS:
        with Mounted(tempfile.mkdtemp(dir=tmp) + '/full', case) as folder:
            done = harness.run_traced([python.path, '-B', script(tmp, ALLOCATES)], folder)
            assert (done.returncode, done.out) == (9, '600 300000\n'), (python.label, done.returncode, done.err)
            assert len(done.err.splitlines()) <= 1, done.err
            for trace in done.traces:
                if os.path.getsize(trace) >= 4096 and case not in ('4k', '8k'):
                    info = harness.report('info', trace)
                    assert case == '2m' or not info['complete'], (python.label, info['ended'])
                    assert info['complete'] or 'disk full' in info['ended'] or info['events']['lost'], (python.label, info['ended'])
            if not done.traces:
                assert done.err, 'no trace and not a word'


def test_max_size(python, tmp):
    done = harness.run_traced([python.path, '-B', script(tmp, ALLOCATES)], tmp, {'PYTRACE_MAX_SIZE': '300K'})
    assert (done.returncode, done.out, done.err) == (9, '600 300000\n', '')
    assert os.path.getsize(done.trace) <= 300 << 10, os.path.getsize(done.trace)
    info = harness.report('info', done.trace)
    assert not info['complete'] and info['ended'].startswith('stopped: '), info['ended']


def test_chroot(python, tmp):
    harness.need_root()
    text = ALLOCATES.replace('kept = []', 'kept = []\nimport os\nos.chroot(sys.argv[1])\nos.chdir("/")', 1)
    root = os.path.join(tmp, 'root')
    os.mkdir(root)
    done = harness.run_traced([python.path, '-B', script(tmp, text), root], tmp)
    assert (done.returncode, done.out, done.err) == (9, '600 300000\n', ''), (done.returncode, done.err)
    assert harness.report('info', done.trace)['complete']


# ---- options ----

@harness.cases('PYTRACE_MODE=bogus', 'PYTRACE_MAX_SIZE=12Q', 'PYTRACE_FOLLOW=everything', 'PYTRACE_LOG=loud')
def test_unknown_value(python, tmp, case):
    name, value = case.split('=')
    done = harness.run_traced([python.path, '-c', 'print("fine")'], tmp, {name: value})
    assert (done.returncode, done.out) == (0, 'fine\n')
    assert len(done.err.splitlines()) == 1 and name in done.err and value in done.err, done.err


def test_mode_off(python, tmp):
    done = harness.run_traced([python.path, '-c', 'print("fine")'], tmp, {'PYTRACE_MODE': 'off'})
    assert (done.returncode, done.out, done.err, done.traces) == (0, 'fine\n', '', [])


def test_follow_none(python, tmp):
    text = 'import os, subprocess, sys\npid = os.fork()\nif not pid:\n    os._exit(0)\nos.waitpid(pid, 0)\n' \
        'subprocess.check_call([sys.executable, "-c", ""])\n'
    done = harness.run_traced([python.path, script(tmp, text)], tmp, {'PYTRACE_FOLLOW': 'none'}).check()
    assert done.traces == [done.trace], done.traces


def test_help_names_every_option(tmp):
    done = harness.run_traced([harness.PYTHONS[-1].path, '-c', 'print("fine")'], tmp, {'PYTRACE_HELP': '1'})
    with open(os.path.join(harness.TOP, 'preload', 'options.def')) as f:
        names = re.findall(r'^OPTION\((\w+),', f.read(), re.M)
    assert len(names) >= 6
    for name in names:
        assert 'PYTRACE_' + name in done.err, name


@harness.timeout(300)
def test_stacks_checked_at_every_event(python, tmp):
    """PYTRACE_LOG=check compares each cached stack with a full walk and says where they differ."""
    text = '''
import asyncio, json, re, threading, ast
async def a(n):
    await asyncio.sleep(0)
    return [bytes(i) for i in range(n)]
def g(n):
    for i in range(n):
        yield {i: str(i)}
def deep(n):
    return deep(n - 1) + [n] if n else []
def work():
    for i in range(30):
        json.dumps(json.loads('{"a": [1, 2, {"b": null}], "c": "%s"}' % ("x" * i)))
        list(g(20)), deep(60)
        re.sub("(a)(b)", lambda m: m.group(1) * i, "ab" * 20)
        ast.unparse(ast.parse("x = [i for i in y if i]")) if hasattr(ast, "unparse") else ast.dump(ast.parse("x"))
        try:
            {}[i]
        except KeyError:
            pass
async def main():
    await asyncio.gather(*[a(i) for i in range(20)])
threads = [threading.Thread(target=work) for i in range(3)]
[t.start() for t in threads]
asyncio.run(main())
work()
[t.join() for t in threads]
'''
    done = harness.run_traced([python.path, '-B', script(tmp, text)], tmp, {'PYTRACE_LOG': 'check'}, timeout=280)
    assert done.returncode == 0 and not done.err.strip(), done.err[:400]


# ---- other programs ----

@harness.cases('ls -la /usr', 'sh -c "exit 5"', 'cat /etc/passwd', 'env true', 'sort /etc/passwd', 'perl -e "print 6 * 7; exit 3"',
               'bash -c "echo $((6 * 7)); kill -9 $$"', 'tar cf - /etc/hostname')
def test_other_programs_pass_through(tmp, case):
    program = case.split(' ')[0]
    if not shutil.which(program):
        raise harness.Skip('no ' + program)
    a, b = both(['/bin/sh', '-c', 'exec ' + case], tmp)
    assert b.traces == [], b.traces


# ---- processes ----

def test_fork_storm(python, tmp):
    text = '''
import os, threading, sys
stop = False
def churn():
    while not stop:
        [bytes(n) for n in range(100)]
threads = [threading.Thread(target=churn) for i in range(2)]
[t.start() for t in threads]
bad = 0
for i in range(30):
    pid = os.fork()
    if not pid:
        x = [bytes(n) for n in range(i)]
        os._exit(i % 7)
    bad += os.waitpid(pid, 0)[1] >> 8 != i % 7
stop = True
[t.join() for t in threads]
print("bad", bad)
'''
    done = harness.run_traced([python.path, '-W', 'ignore', script(tmp, text)], tmp, timeout=100).check()
    assert done.out == 'bad 0\n' and not done.err, (done.out, done.err[-300:])
    assert len(done.traces) == 31, len(done.traces)
    for trace in done.traces[::15]:  # each time its parent's is read, too, which has some million events
        assert harness.report('info', trace)['complete'], trace


def test_vfork_and_spawn(python, tmp):
    text = '''
import ctypes, os, subprocess, sys
helper = ctypes.CDLL(os.environ["TRUTH_HELPER"])
print([helper.truth_vfork(b"/bin/true") for i in range(20)], helper.truth_vfork(b"/nonexistent") >> 8)
print([os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)[1] for i in range(20)])
print([subprocess.call(["true"], close_fds=False) for i in range(20)], [subprocess.call("exit 4", shell=True) for i in range(5)])
print(len([bytes(n) for n in range(1000)]))
'''
    env = {'TRUTH_HELPER': harness.built('truth/truth.so')}
    a, b = both([python.path, '-B', script(tmp, text)], tmp, env=env)
    assert len(b.traces) == 1, b.traces
    assert harness.report('info', b.trace)['complete']


def test_threads_die(python, tmp):
    text = 'import ctypes, os\nprint(ctypes.CDLL(os.environ["TRUTH_HELPER"]).truth_threads_die(200))\n'
    done = harness.run_traced([python.path, script(tmp, text)], tmp, {'TRUTH_HELPER': harness.built('truth/truth.so')})
    assert (done.returncode, done.out) == (0, '0\n'), (done.returncode, done.err)
    assert harness.report('info', done.trace)['complete']


def test_signal_storm(python, tmp):
    """A signal 50 microseconds after the last one was handled, also into our own code, with handlers in C and in Python.

    Not every 50 microseconds: on a busy machine a handler lasts longer than that, and CPython runs the next one inside it
    until its stack is full, traced or not."""
    text = '''
import signal, time
count = 0
def handler(n, f):
    global count
    count += 1
    [bytes(i) for i in range(5)]
    if n == signal.SIGALRM and time.time() < end:
        signal.setitimer(signal.ITIMER_REAL, 0.00005)
end = time.time() + 1.5
signal.signal(signal.SIGALRM, handler)
signal.signal(signal.SIGPROF, handler)
signal.setitimer(signal.ITIMER_REAL, 0.00005)
signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
while time.time() < end:
    x = [bytes(n) for n in range(200)]
    y = {str(n): n for n in range(100)}
signal.setitimer(signal.ITIMER_REAL, 0)
signal.setitimer(signal.ITIMER_PROF, 0)
print(count > 100)
'''
    done = harness.run_traced([python.path, script(tmp, text)], tmp)
    assert (done.returncode, done.out, done.err) == (0, 'True\n', ''), (done.returncode, done.err[-300:])
    info = harness.report('info', done.trace)
    assert info['complete'] or info['events']['lost'], info


def test_trace_is_private(tmp):
    done = harness.run_traced([harness.PYTHONS[-1].path, '-c', ''], tmp).check()
    assert os.stat(done.trace).st_mode & 0o022 == 0


def test_changed_user(python, tmp):
    harness.need_root()
    text = ALLOCATES.replace('kept = []', 'kept = []\nimport os\nos.setgid(65534)\nos.setuid(65534)', 1)
    done = harness.run_traced([python.path, '-B', script(tmp, text)], tmp)
    assert (done.returncode, done.out, done.err) == (9, '600 300000\n', ''), (done.returncode, done.err)
    assert harness.report('info', done.trace)['complete']


def test_killed_by_each_signal(tmp):
    """The program dies of the same signal, and the trace ends there."""
    python = harness.PYTHONS[-1]
    for number in signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1, signal.SIGPIPE + 1:
        folder = tempfile.mkdtemp(dir=tmp)
        text = 'import os, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nx = bytes(5000)\nos.kill(os.getpid(), %d)\n' % number
        done = harness.run_traced([python.path, script(tmp, text)], folder)
        assert done.returncode == -number, (number, done.returncode)
        t = tracefile.TraceFile(done.trace)
        assert [1 for _, op, _, b, _, _ in t.events() if op == 4 and b == 5033], number
