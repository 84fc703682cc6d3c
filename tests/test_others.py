# SPDX-License-Identifier: Apache-2.0
"""Interpreters that are no CPython, and CPythons of an unknown version: the program is not changed, and the report is honest
about what it cannot show."""
import os
import subprocess

import harness
import interpreters
import tracefile

OTHERS = interpreters.others()
PLAIN = '''
import sys
kept = []
for i in range(500):
    kept.append([i, str(i)])
print(len(kept), sum(len(k[1]) for k in kept))
try:
    kept[1000]
except IndexError:
    print("no such element")
sys.exit(3)
'''
RICH = '''
import gc, os, subprocess, sys, threading
def work(n):
    kept.append([bytearray(1000) for _ in range(n)])
kept = []
threads = [threading.Thread(target=work, args=(50,)) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
gc.collect()
print(len(kept), subprocess.check_output(["echo", "child"]))
if hasattr(os, "fork"):
    pid = os.fork()
    if not pid:
        os._exit(7)
    print(os.waitpid(pid, 0)[1] >> 8)
sys.stderr.write("end\\n")
raise SystemExit(4)
'''
# name: implementation, program, environment
KINDS = {
    'pypy': ('PyPy', RICH, {}),
    'micropython': ('MicroPython', PLAIN, {}),
    'jython': ('Jython', PLAIN, {'PYTRACE_PROGRAMS': 'java'}),
}


@harness.cases(*KINDS)
@harness.timeout(300)
def test_other_implementation(tmp, case):
    implementation, text, env = KINDS[case]
    if not OTHERS[case]:
        raise harness.Skip('no %s on this machine' % case)
    path = os.path.join(tmp, 'program.py')
    with open(path, 'w') as f:
        f.write(text)
    plain = harness.run([OTHERS[case], path], tmp)
    assert plain.returncode in (3, 4), (plain.returncode, plain.err)
    done = harness.run_traced([OTHERS[case], path], tmp, env)
    assert (done.returncode, done.out, done.err) == (plain.returncode, plain.out, plain.err), (done.returncode, done.err)
    info = harness.report('info', done.trace)
    assert info['complete'] and info['exit_status'] == plain.returncode, info
    assert info['python']['implementation'] == implementation, info['python']
    assert info['python']['stacks_off'], info['python']
    layers = {r['layer'] if isinstance(r, dict) else r for r in info['layers']}
    assert {'malloc', 'mmap'} <= layers and not {'raw', 'mem', 'object', 'arena'} & layers, layers
    trace = tracefile.TraceFile(done.trace)
    assert not trace.frames, 'Python frames of %s' % case
    assert any(op == 1 or op == 0x51 or op == 5 for _, op, *_ in trace.events())
    text = harness.pytrace('summary', done.trace).out
    assert implementation in text and 'Python stacks were not recorded' in text, text[:400]


def disguised(python, tmp):
    """A copy of a static interpreter that says it is a version which does not exist yet."""
    with open(os.path.realpath(python.path), 'rb') as f:
        data = f.read()
    version = '.'.join(map(str, python.version))
    real, fake = version.encode() + b'\0', ('3.99.' + '0' * (len(version) - 5)).encode() + b'\0'
    if real not in data:
        raise harness.Skip('the version is not found in the interpreter')
    path = os.path.join(tmp, 'python3')
    with open(path, 'wb') as f:
        f.write(data.replace(b'\0' + real, b'\0' + fake))
    os.chmod(path, 0o755)
    return path, fake[:-1].decode()


def test_unknown_version(python, tmp):
    """Blocks of all layers and native frames, no Python stacks, and one line that says so."""
    if python.shared:
        raise harness.Skip('a shared interpreter can\'t be disguised')
    path, version = disguised(python, tmp)
    env = {'PYTHONHOME': python.prefix}
    said = subprocess.run([path, '-c', 'import sys; print(sys.version.split()[0])'], env=harness.clean_env(**env),
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.decode().strip()
    assert said == version, said
    program = os.path.join(tmp, 'program.py')
    with open(program, 'w') as f:
        f.write('kept = [bytes(10000 + i) for i in range(100)]\nprint(len(kept))\n')
    done = harness.run_traced([path, program], tmp, env).check()
    assert done.out == '100\n' and not done.err, (done.out, done.err)
    info = harness.report('info', done.trace)
    assert info['python']['version'] == version and 'is not known' in info['python']['stacks_off'], info['python']
    t = tracefile.TraceFile(done.trace)
    header = 49 if python.free_threaded else 33
    own = [stack for _, op, _, size, stack, _ in t.events() if op == 4 and header + 10000 <= size < header + 10100]
    assert len(own) >= 100, len(own)
    assert not t.frames and all(t.parts(stack)[1] for stack in own), 'no native stacks'
    assert [e for e in t.events() if e[1] == tracefile.PY_INIT], 'the start of the interpreter was not seen'
    text = harness.pytrace('summary', done.trace).out
    assert text.count('is not known') == 1, text[:600]
