# SPDX-License-Identifier: Apache-2.0
"""Who did not give back a reference: each classic mistake in C is blamed at its line, and nothing that is right is."""
import os
import re
import shutil

import harness

HERE = os.path.join(harness.HERE, 'refs')
BUGS = ['error_path', 'success', 'loop', 'getter', 'stolen', 'setitem', 'buildvalue', 'exception', 'borrowed', 'capsule']
TOO_FEW = {'stolen', 'borrowed'}
EACH = 4  # objects: as many as a processor watches at a time


def marked(name):
    """The lines with a comment /* BUG name */: {'loop': 77}."""
    with open(os.path.join(HERE, name)) as f:
        found = [(re.search(r'/[*/] BUG (\w+)', line), n) for n, line in enumerate(f, 1)]
    return {m.group(1): n for m, n in found if m}


def build(python, tmp, name):
    """The extension beside a copy of the program that uses it."""
    if not os.path.exists(os.path.join(python.include, 'Python.h')):
        raise harness.Skip('no Python.h for this interpreter')
    if not shutil.which('cc'):
        raise harness.Skip('no cc')
    # packages of distributions include files relative to /usr/include, wherever they were unpacked
    harness.run(['cc', '-g', '-O2', '-shared', '-fPIC', '-Wno-deprecated-declarations', '-I' + python.include,
                 '-I' + os.path.dirname(python.include), os.path.join(HERE, name), '-o',
                 os.path.join(tmp, name.split('.')[0] + '.so')]).check()
    return shutil.copy(os.path.join(HERE, 'program.py'), tmp)


def balances(python, tmp, source, watch, functions):
    """Calls the functions, each in a child. {function: its balance, as `refs --json` has it}, without what is balanced."""
    program = build(python, tmp, source)
    done = harness.run_traced([python.path, '-B', '-W', 'ignore', program, str(EACH)] + functions, tmp,
                              {'PYTRACE_WATCH': watch}).check()
    pids = {int(pid): name for name, pid in (line.split() for line in done.out.splitlines())}
    assert list(pids.values()) == functions, done.out
    doc = harness.report('refs', *[done.trace_of(pid) for pid in pids])
    found = {}
    for process in doc['processes']:
        assert process['watch']['changes'], 'nothing was watched of %s: %s' % (pids[process['pid']], process['watch'])
        found[pids[process['pid']]] = [b for b in process['balance'] if b['verdict'] != 'balanced']
    assert len(found) == len(functions), found.keys()
    return found


def short(row):
    return '%s %s:%s %+d' % (row['verdict'], os.path.basename(row['site']['file'] or '?'), row['site']['line'], row['surplus'])


def test_each_mistake_is_blamed_at_its_line_and_no_twin_is(python, tmp):
    lines = marked('refbugs.c')
    assert sorted(lines) == sorted(BUGS), lines
    found = balances(python, tmp, 'refbugs.c', 'type:__main__.Thing,type:__main__.Oops',
                     [how + name for name in BUGS for how in ('bug_', 'ok_')])
    wrong = []
    for name in BUGS:
        verdict = 'over' if name in TOO_FEW else 'leak'
        got = [(b['verdict'], os.path.basename(b['site']['file'] or ''), b['site']['line']) for b in found['bug_' + name]]
        if got != [(verdict, 'refbugs.c', lines[name])]:
            wrong.append('bug_%s, line %d: %s' % (name, lines[name], [short(b) for b in found['bug_' + name]]))
        if found['ok_' + name]:
            wrong.append('ok_%s: %s' % (name, [short(b) for b in found['ok_' + name]]))
    assert not wrong, '\n'.join(wrong)
