# SPDX-License-Identifier: Apache-2.0
"""pytrace run: the command behaves as without it, ends as it ends, and its traces are named."""
import glob
import os
import signal
import subprocess
import time

import harness

HELLO = 'print("hello")'


def run(tmp, *argv, env=None, **more):
    return harness.run([harness.PYTRACE, 'run'] + list(argv), tmp, env=harness.clean_env(**(env or {})), cwd=tmp, **more)


def test_names_the_trace(python, tmp):
    path = os.path.join(tmp, 'app.py')
    with open(path, 'w') as f:
        f.write(HELLO)
    done = run(tmp, '--', python.path, 'app.py').check()
    assert done.out == 'hello\n', done.out
    assert len(done.traces) == 1 and os.path.basename(done.traces[0]).startswith('app.'), done.traces
    first, second = done.err.splitlines()
    assert first == 'pytrace: wrote 1 trace: ' + os.path.basename(done.traces[0]), done.err
    assert second.startswith('pytrace: peak ') and 'no leak found' in second, done.err


def test_options_reach_the_tracer(python, tmp):
    os.mkdir(os.path.join(tmp, 'traces'))
    os.mkdir(os.path.join(tmp, 'else where'))
    program = 'import os; os.chdir("else where"); import subprocess, sys; subprocess.run([sys.executable, "-c", "1"])'
    done = run(tmp, '-q', '-o', 'traces/one-%p.pytrace', '--follow', 'none', '--', python.path, '-c', program).check()
    assert done.err == '', done.err
    assert len(glob.glob(os.path.join(tmp, 'traces', 'one-*.pytrace'))) == 1 and not done.traces
    done = run(tmp, '-q', '-o', 'traces/two-%p.pytrace', '--', python.path, '-c', program).check()
    assert len(glob.glob(os.path.join(tmp, 'traces', 'two-*.pytrace'))) == 2
    done = run(tmp, '--mode', 'off', '--', python.path, '-c', HELLO).check()
    assert 'no trace was written' in done.err and not done.traces, done.err


def test_shell_command(python, tmp):
    done = run(tmp, '--', 'sh', '-c', '"$1" -c "1"; "$1" -c "2"; exit 9', 'sh', python.path)
    assert done.returncode == 9 and len(done.traces) == 2, (done.returncode, done.traces)
    assert done.err.startswith('pytrace: wrote 2 traces: '), done.err


def test_ends_as_the_command(python, tmp):
    assert run(tmp, '-q', '--', python.path, '-c', 'import sys; sys.exit(7)').returncode == 7
    kill = 'import os, signal; os.kill(os.getpid(), signal.%s)'
    for name in 'SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGABRT':
        done = run(tmp, '-q', '--', python.path, '-c', kill % name)
        assert done.returncode == -getattr(signal, name), (name, done.returncode)


def test_cannot_start(tmp):
    done = run(tmp, '--', './nothing-here')
    assert done.returncode == 127 and 'No such file' in done.err and len(done.err.splitlines()) == 1, done.err
    done = run(tmp, '--', tmp)
    assert done.returncode == 126 and len(done.err.splitlines()) == 1, done.err
    done = run(tmp, '--', 'true', env={'PYTRACE_LIBRARY': '/nothing/here.so'})
    assert done.returncode == 2 and '/nothing/here.so' in done.err, done.err


def test_keeps_what_was_preloaded(python, tmp):
    done = run(tmp, '-q', '--', python.path, '-c', 'import os; print(os.environ["LD_PRELOAD"])',
               env={'LD_PRELOAD': harness.LIBRARY})
    assert done.out.strip() == harness.LIBRARY + ':' + harness.LIBRARY, done.out


WAITER = '''
import os, signal, sys, time
seen = []
for n in "SIGINT SIGTERM SIGHUP SIGUSR1 SIGUSR2 SIGQUIT".split():
    signal.signal(getattr(signal, n), lambda n, _: seen.append(n))
open(sys.argv[1], "w").write(str(os.getpid()))
end = time.time() + 20
while len(seen) < 6 and time.time() < end:
    time.sleep(0.01)
time.sleep(0.2)
sys.exit(len(seen))
'''


def start(tmp, python, *argv, program=WAITER, **more):
    """Starts pytrace run and waits until the program says that it runs. Returns (process, pid of the program)."""
    said = os.path.join(tmp, 'pid')
    process = subprocess.Popen([harness.PYTRACE, 'run', '-q', '--', python.path, '-c', program, said], cwd=tmp,
                               env=harness.clean_env(), stderr=subprocess.DEVNULL, **more)
    assert harness.wait_for(lambda: os.path.exists(said) and os.path.getsize(said), 30)
    with open(said) as f:
        return process, int(f.read())


def test_hands_signals_on(python, tmp):
    """What is sent to pytrace alone reaches the command, once."""
    process, _ = start(tmp, python)
    for name in 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT':
        process.send_signal(getattr(signal, name))
        time.sleep(0.1)
    assert process.wait(30) == 6


def test_interrupt_of_the_terminal(python, tmp):
    """The terminal's ^C goes to the whole group: the command gets it, pytrace waits for it and ends the same way."""
    process, pid = start(tmp, python, program='import os, sys, time; open(sys.argv[1], "w").write(str(os.getpid())); time.sleep(30)',
                         start_new_session=True)
    assert os.getpgid(pid) == process.pid, 'the command left the process group'
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT


def test_ignored_children(python, tmp):
    """Started by a program that ignores SIGCHLD, and with an ignored SIGHUP as nohup does: the command sees the same."""
    program = 'import signal, sys; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN)'

    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    done = run(tmp, '-q', '--', python.path, '-c', program, preexec_fn=ignore).check()
    assert done.out == 'True True\n', done.out
