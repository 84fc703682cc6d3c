# SPDX-License-Identifier: Apache-2.0
"""Who did not give back a reference: each classic mistake in C is blamed at its line, and nothing that is right is."""
import os
import re
import shutil

import harness
import test_watch_refused

HERE = os.path.join(harness.HERE, 'refs')
BUGS = ['error_path', 'success', 'loop', 'getter', 'stolen', 'setitem', 'buildvalue', 'exception', 'borrowed', 'capsule']
EACH = 12  # objects, of which a processor watches four at a time


def marked(name):
    """The lines with a comment /* BUG name */: {'loop': 77}."""
    with open(os.path.join(HERE, name)) as f:
        found = [(re.search(r'/[*/] BUG (\w+)', line), n) for n, line in enumerate(f, 1)]
    return {m.group(1): n for m, n in found if m}


def build(python, tmp, name):
    """The extension beside a copy of the program that uses it."""
    harness.extension(python, os.path.join(tmp, name.split('.')[0] + '.so'), os.path.join(HERE, name), '-Wno-deprecated-declarations')
    return shutil.copy(os.path.join(HERE, 'program.py'), tmp)


def balances(python, tmp, source, watch, functions, started=list):
    """Calls the functions, each in a child. {function: its balance, as `refs --json` has it}, without what is balanced."""
    program = build(python, tmp, source)
    argv = [python.path, '-B', '-W', 'ignore', program, source.split('.')[0], str(EACH)] + functions
    done = harness.run_traced(started(argv), tmp, {'PYTRACE_WATCH': watch}).check()
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


def check(found, lines, source, too_few):
    """Each bug_NAME is blamed at the line of NAME and nothing else is; of ok_NAME nothing is."""
    wrong = []
    for function, rows in found.items():
        how, name = function.split('_', 1)
        got = [(b['verdict'], os.path.basename(b['site']['file'] or ''), b['site']['line']) for b in rows]
        wanted = [('over' if name in too_few else 'leak', source, lines[name])] if how == 'bug' else []
        if got != wanted:
            wrong.append('%s, line %s: %s' % (function, lines.get(name), [short(b) for b in rows]))
    assert not wrong, '\n'.join(wrong)


def test_each_mistake_is_blamed_at_its_line_and_no_twin_is(python, tmp):
    lines = marked('refbugs.c')
    assert sorted(lines) == sorted(BUGS), lines
    found = balances(python, tmp, 'refbugs.c', 'type:__main__.Thing,type:__main__.Oops',
                     [how + name for name in BUGS for how in ('bug_', 'ok_')])
    check(found, lines, 'refbugs.c', {'stolen', 'borrowed'})


@harness.spread(2)
def test_the_same_where_watchpoints_are_refused(python, tmp):
    found = balances(python, tmp, 'refbugs.c', 'type:__main__.Thing,type:__main__.Oops',
                     [how + name for name in BUGS for how in ('bug_', 'ok_')],
                     lambda argv: test_watch_refused.refuse('EPERM', *argv))
    check(found, marked('refbugs.c'), 'refbugs.c', {'stolen', 'borrowed'})


@harness.spread(3)
def test_helpers_goto_and_structures(python, tmp):
    """A helper that forgets is blamed, one that hands out references is not: its caller is."""
    lines = marked('refstyles.c')
    names = ['helper', 'another', 'goto', 'iterator', 'method', 'dealloc', 'setref', 'twice']
    assert sorted(lines) == sorted(names), lines
    found = balances(python, tmp, 'refstyles.c', 'type:__main__.Thing',
                     [how + name for name in names for how in ('bug_', 'ok_')] + ['ok_last'])
    # What a structure holds on purpose can't be told from what it forgot, when it does give back others: no blame, but the line.
    setref, last = found.pop('bug_setref'), found.pop('ok_last')
    assert [short(b).split(' +')[0] for b in setref] == ['undecided refstyles.c:%d' % lines['setref']], [short(b) for b in setref]
    assert not [b for b in last if b['verdict'] != 'undecided'] and sum(b['surplus'] for b in last) <= 1, [short(b) for b in last]
    check(found, lines, 'refstyles.c', {'twice'})


@harness.spread(3)
def test_references_of_cxx(python, tmp):
    """Constructors and destructors take and give, those who use them are to blame."""
    lines = marked('refraii.cc')
    found = balances(python, tmp, 'refraii.cc', 'type:__main__.Thing',
                     ['ok_vector', 'bug_release', 'ok_release', 'bug_steal', 'ok_steal'])
    check(found, lines, 'refraii.cc', {'steal'})


@harness.spread(3)
def test_the_report_names_the_line(python, tmp):
    program = build(python, tmp, 'refbugs.c')
    done = harness.run_traced([python.path, '-B', '-W', 'ignore', program, 'refbugs', '4', 'bug_error_path'], tmp,
                              {'PYTRACE_WATCH': 'type:__main__.Thing'}).check()
    line = marked('refbugs.c')['error_path']
    text = harness.pytrace('refs', done.trace_of(int(done.out.split()[1]))).out
    assert 'refbugs.c:%d in bug_error_path does not give back 2 references to __main__.Thing' % line in text, text
    assert 'Py_INCREF(thing); /* BUG error_path */' in text, text
    flat = ' '.join(text.split())
    assert 'in bug_error_path, given back 2 times at' in flat and '2 objects still have 2 references' in flat, text
