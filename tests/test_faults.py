# SPDX-License-Identifier: Apache-2.0
"""Each system call on the trace fails in turn: the program does not notice, and what is left is honest.

strace puts the errors in, on calls that name the trace file or its descriptor, so that nothing of the program itself is hit.
"""
import os
import re
import shutil

import harness

PROGRAM = '''
import os, sys, threading
def work(n):
    for i in range(20):
        totals.append(len([bytes(k) for k in range(n)]))
totals = []
t = threading.Thread(target=work, args=(1500,))
t.start()
work(2000)
t.join()
pid = os.fork()
if not pid:
    work(300)
    os._exit(5)
print(sum(totals), os.waitpid(pid, 0)[1] >> 8)
sys.exit(9)
'''
RIGHT = (9, '70000 5\n')
FAULTS = {'openat': ('EACCES', 'EMFILE'), 'pwrite64': ('ENOSPC', 'EIO'), 'fallocate': ('ENOSPC', 'EOPNOTSUPP'), 'ftruncate': ('EIO',),
          'mmap': ('ENOMEM',), 'pread64': ('EIO',), 'newfstatat,fstat': ('ENOENT',), 'fcntl': ('EMFILE',), 'renameat2,renameat,rename': ('EACCES',)}
# Each alone, each from then on.
WHEN = ('1', '2', '3', '5', '1+', '2+', '4+')


def strace():
    path = shutil.which('strace')
    if not path:
        raise harness.Skip('no strace')
    if harness.run([path, '-qq', '-o', '/dev/null', '/bin/true']).returncode:
        raise harness.Skip('strace may not trace here')
    return path


def guest(python, tmp, *options):
    program, trace = os.path.join(tmp, 'guest.py'), os.path.join(tmp, 'out.pytrace')
    with open(program, 'w') as f:
        f.write(PROGRAM)
    log = os.path.join(tmp, 'strace.log')
    argv = [strace(), '-f', '-qq', '-o', log] + list(options) + [
        '-E', 'LD_PRELOAD=' + harness.LIBRARY, '-E', 'PYTRACE_OUTPUT=' + trace, python.path, '-S', '-B', '-W', 'ignore', program]
    done = harness.run(argv, tmp)
    with open(log, errors='replace') as f:
        return done, trace, f.read()


@harness.cases(*FAULTS)
@harness.timeout(400)
def test_call_fails(tmp, case):
    python, hits = harness.PYTHONS[-1], 0
    for error in FAULTS[case]:
        for when in WHEN:
            trace = os.path.join(tmp, 'out.pytrace')
            done, trace, log = guest(python, tmp, '-P', trace, '-P', trace + '~',
                                     '-e', 'inject=%s:error=%s:when=%s' % (case, error, when))
            what = (case, error, when)
            assert (done.returncode, done.out) == RIGHT, (what, done.returncode, done.out, done.err[-300:])
            assert len(done.err.splitlines()) <= 2, (what, done.err)
            hit = '(INJECTED)' in log
            hits += hit
            for name in os.listdir(tmp):
                if not name.startswith('out') or '.pytrace' not in name:
                    continue
                path = os.path.join(tmp, name)
                if os.path.getsize(path) >= 696:
                    info = harness.report('info', path)
                    if hit and case == 'pwrite64' and name == 'out.pytrace' and info['complete']:
                        assert info['events']['recorded'] > 70000, (what, info['events'])
                os.unlink(path)
    if not hits:
        raise harness.Skip('the tracer made no %s' % case)


def calls(log):
    """How often each system call was made, by name. One that another thread's line interrupts is in the log twice: begun
    ("unfinished") and "resumed"."""
    count = {}
    for line in log.splitlines():
        call = re.match(r'\d+ +([a-z]\w*)\(', line)
        if call:
            count[call.group(1)] = count.get(call.group(1), 0) + 1
    return count


def test_calls_that_are_added(tmp):
    """What the tracer adds to a program's system calls, by kind: files and memory; no process, no signal, no network, no sleep.
    A snapshot adds one process, which has a life of its own to arrange, and is collected."""
    python = harness.PYTHONS[-1]
    _, _, log_traced = guest(python, tmp, '-E', 'PYTRACE_SNAPSHOT=off')
    _, _, log_copied = guest(python, tmp)
    log = os.path.join(tmp, 'plain.log')
    harness.run([strace(), '-f', '-qq', '-o', log, python.path, '-S', '-B', '-W', 'ignore', os.path.join(tmp, 'guest.py')], tmp)
    with open(log, errors='replace') as f:
        traced, copied, plain = calls(log_traced), calls(log_copied), calls(f.read())
    added = set(traced) - set(plain)
    copy = {'close_range', 'sched_setscheduler', 'setitimer', 'setpriority', 'sigaltstack', 'rt_sigaction', 'wait4', 'clone'}
    allowed = {'pwrite64', 'pread64', 'fallocate', 'ftruncate', 'fcntl', 'renameat2', 'renameat', 'rename', 'unlink', 'unlinkat', 'gettid',
               'getrandom', 'uname', 'readlink', 'readlinkat', 'madvise', 'clock_gettime', 'rt_sigprocmask', 'getppid', 'getpid',
               'newfstatat', 'fstat', 'stat', 'lseek', 'mremap', 'prlimit64', 'getrusage', 'mincore', 'faccessat', 'access', 'futex',
               'fstatfs', 'membarrier', 'prctl', 'statfs', 'getcwd', 'msync', 'process_vm_readv', 'munmap', 'sched_getaffinity', 'dup3', 'statx', 'copy_file_range'}
    assert added <= allowed, sorted(added - allowed)
    by_copy = set(copied) - set(traced) - copy
    assert by_copy <= allowed, sorted(by_copy - allowed)
    made = [sum(counts.get(name, 0) for name in ('clone', 'clone3', 'fork', 'vfork')) for counts in (traced, plain, copied)]
    assert made[0] == made[1] == 2, 'processes and threads: %d made, %d by the program; it asks for 2' % tuple(made[:2])
    assert made[2] <= made[0] + 4, made  # two processes end: each with a copy, and where there is an init, one in between


@harness.cases('removed', 'replaced', 'moved', 'directory removed')
def test_trace_is_taken_away(tmp, case):
    """Somebody removes, replaces or moves the trace while it is written. (Who truncates it kills the program: rings are mapped.)"""
    text = PROGRAM.replace('t = threading', '''
trace = os.environ["PYTRACE_OUTPUT"]
case = %r
if case == "removed":
    os.unlink(trace)
elif case == "replaced":
    os.unlink(trace)
    with open(trace, "w") as f:
        f.write("mine")
elif case == "moved":
    os.rename(trace, trace + ".old")
else:
    os.unlink(trace)
    os.rmdir(os.path.dirname(trace))
t = threading''' % case, 1)
    for python in harness.PYTHONS:
        folder = os.path.join(tmp, python.label, 'traces')
        os.makedirs(folder)
        path = os.path.join(tmp, 'guest.py')
        with open(path, 'w') as f:
            f.write(text)
        trace = os.path.join(folder, 'out.pytrace')
        done = harness.run_traced([python.path, '-B', '-W', 'ignore', path], folder, {'PYTRACE_OUTPUT': trace})
        assert (done.returncode, done.out) == RIGHT, (python.label, done.returncode, done.out, done.err[-300:])
        assert len(done.err.splitlines()) <= (case == 'directory removed'), (python.label, done.err)
        if case == 'replaced':
            with open(trace) as f:
                assert f.read() == 'mine', '%s: a file that is not ours was written to' % python.label
        if case == 'moved':
            harness.report('info', trace + '.old')
