# SPDX-License-Identifier: Apache-2.0
"""Where perf_event_open is refused counts are watched all the same, as exactly, and the program does not notice."""
import errno
import fcntl
import json
import os
import re
import shutil
import tempfile

import harness
import test_watch

PROGRAM = os.path.join(harness.HERE, 'watch', 'manners.py')
TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
REFUSED = {'EPERM': 'EPERM', 'EACCES': 'EACCES', 'ENOSYS': 'ENOSYS', 'EINVAL': 'Linux 5.13', 'taken': 'watchpoints are taken'}


def refuse(how, *argv):
    return [harness.built('watch/refuse'), str(getattr(errno, how, how))] + list(argv)


def check_truth(python, done, trace):
    """What test_watch.py asks of a history, with all changes one by one."""
    truth = json.loads(done.out)
    doc = harness.report('refs', '--raw', '--full', '-n', '0', trace)
    boxes = test_watch.histories(doc)
    assert len(boxes) == 1, (boxes, doc['watch'])
    changes = test_watch.unfolded(boxes[0])
    assert changes[0][0] == 1 and changes[0][3] == ['birth'] and changes[-1][1] == 0, (changes[0], changes[-1])
    assert boxes[0]['end']['why'] == 'died' and test_watch.line_in(changes[-1][2], 'changes.py') == truth['died'], boxes[0]['end']
    bad = test_watch.wrong_lines(changes, truth) + test_watch.wrong_calls(changes, truth)
    assert not bad, bad
    return doc['watch']


@harness.cases(*REFUSED)
@harness.spread(3)
def test_every_change_is_seen_all_the_same(python, tmp, case):
    argv = refuse(case, python.path, '-B', '-S', os.path.join(test_watch.FOLDER, 'changes.py'), test_watch.compiled(tmp))
    done = harness.run_traced(argv, tmp, {'PYTRACE_WATCH': 'type:__main__.Box'})
    assert done.returncode != 125 or case != 'taken', done.err
    done.check()
    assert not done.err, done.err
    watch = check_truth(python, done, done.trace)
    assert watch['means'] == 'pages', watch
    assert REFUSED[case] in watch['off'] and 'write protect' in watch['off'], watch
    text = harness.pytrace('refs', done.trace).out
    assert REFUSED[case] in text and 'by pages of their own' in text, text[:1000]
    assert REFUSED[case] in re.sub(r'\s+', ' ', harness.pytrace('info', done.trace).out)


@harness.spread(3)
def test_another_user_where_the_kernel_is_strict(python, tmp):
    """perf_event_paranoid=3: distributions' kernels then refuse, others do as with 2."""
    harness.need_root()
    setting = '/proc/sys/kernel/perf_event_paranoid'
    if not os.access(setting, os.W_OK) or not shutil.which('setpriv'):
        raise harness.Skip('%s can not be set here' % setting)
    user = [shutil.which('setpriv'), '--reuid=65534', '--regid=65534', '--clear-groups', python.path, '-B', '-S']
    with tempfile.TemporaryDirectory() as folder: # what a test is given is in a folder for root alone
        os.chmod(folder, 0o777)
        strict(python, folder, user, setting)


def strict(python, tmp, user, setting):
    library = test_watch.compiled(tmp)
    if harness.run(user + ['-c', 'open(%r); open(%r)' % (PROGRAM, harness.LIBRARY)], tmp).returncode:
        raise harness.Skip('%s is not for other users' % python.path)
    with open(os.path.join(tempfile.gettempdir(), 'perf_event_paranoid.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX) # other tests put it back, too
        done = at_three(python, tmp, user, setting, library)
    watch = check_truth(python, done, done.trace)
    assert watch['means'] in ('hardware', 'pages'), watch
    assert watch['means'] == 'hardware' or 'paranoid' in watch['off'], watch


def at_three(python, tmp, user, setting, library):
    with open(setting) as f:
        before = f.read()
    try:
        with open(setting, 'w') as f:
            f.write('3')
        return harness.run_traced(user + [os.path.join(test_watch.FOLDER, 'changes.py'), library], tmp,
                                  {'PYTRACE_WATCH': 'type:__main__.Box'}).check()
    finally:
        with open(setting, 'w') as f:
            f.write(before)


def told(text):
    """What differs from run to run: addresses, thread numbers."""
    return re.sub(r'0x[0-9a-f]+|Thread \w+', '-', text)


MANNERS = ('crash', 'crash_told', 'crash_thread', 'overflow', 'deep', 'write_to_code', 'sent', 'sent_trap', 'handled', 'masks', 'fork',
           'raw_fork', 'children', 'system_calls', 'callbacks', 'threads', 'figures')


@harness.cases(*MANNERS)
@harness.spread(1)
def test_program_does_not_notice(python, tmp, case):
    argv = refuse('EPERM', python.path, '-B', '-S', PROGRAM, case)
    plain = harness.run(argv, tmp)
    for rules in 'type:Box', 'random':
        traced = harness.run_traced(argv, tmp, {'PYTRACE_WATCH': rules})
        assert traced.returncode == plain.returncode, (rules, traced.returncode, plain.returncode, traced.err[-1000:], plain.err[-1000:])
        assert traced.out == plain.out, (rules, traced.out, plain.out)
        assert told(traced.err) == told(plain.err), (rules, traced.err, plain.err)
        if rules == 'type:Box':
            watch = harness.report('refs', traced.trace)['watch']
            assert watch['means'] == 'pages' and watch['watches'], watch


@harness.cases('pages', 'hardware')
@harness.spread(2)
def test_child_with_signals_of_its_own(python, tmp, case):
    """It sets them before anything of the tracer can know that it is there."""
    argv = [python.path, '-B', '-S', os.path.join(test_watch.FOLDER, 'child.py'), test_watch.compiled(tmp, 'child')]
    for follow in 'fork,exec', 'none':
        done = harness.run_traced(argv, tmp, {'PYTRACE_WATCH': 'type:Box,means:' + case, 'PYTRACE_FOLLOW': follow}).check()
        assert done.out == 'True 3\n0 True\n' and not done.err, (follow, done.out, done.err)
