# SPDX-License-Identifier: Apache-2.0
"""The zoo: every leak is found, with its verdict, on its line, once; no healthy program is accused.

Each program runs on one interpreter here, another one each; on all with --full, and by scripts/zoo, which prints the table."""
import copy
import os
import re

import harness
import zoo

# What is known to be wrong: {program or verdict: (interpreters as a pattern of labels, why)}.
KNOWN = {
    'healthy/databases_opened_by_load': (r'3\.8\.', 'accused in one run of four: statements of connections that are still being opened'),
    'healthy/executor_futures': (r'3\.13\.\d+t', 'true there: once a thread was started, functions made outside of functions never die (gh-117783)'),
    'leaking/backlog_after_a_while': (r'.*', 'it begins after 60 % of the run: undecided, on the line'),
    'leaking/index_among_rows': (r'3\.\d+\.\d+t', 'the index goes with main(), and mimalloc is judged by the pages of the end only'),
    'leaking/writers_of_closed_connections': (r'.*', 'its tasks end with the loop: on a busy machine they came unevenly'),
}


@harness.first
@harness.cases(*['%s/%s' % (p.kind, p.name) for p in zoo.programs()])
@harness.spread(1)
def test_zoo(python, tmp, case):
    program = zoo.Program(*case.split('/'))
    pattern, why = KNOWN.get(case) or KNOWN.get(program.verdict) or ('$', '')
    if re.match(pattern, python.label):
        raise harness.Skip('known to be wrong: ' + why)
    status, said = zoo.run(python, program, tmp)
    assert status == 'right', '%s: %s' % (status, said)


# ---- the judge ----

def finding(verdict, file, line, **more):
    return dict({'verdict': verdict, 'blame': {'file': file, 'line': line}, 'type': None, 'bytes': 1000, 'members': None}, **more)


def judged(*findings):
    program = zoo.Program('leaking', 'queue_without_consumer')
    return zoo.judge(program, {'findings': list(findings), 'undecided': []})[0]


def test_the_judge_is_strict():
    name = 'queue_without_consumer.py'
    line, = zoo.marked(zoo.Program('leaking', 'queue_without_consumer').path)
    right = finding('growth', '/anywhere/' + name, line)
    assert judged(right) == 'right'
    assert judged() == 'missed'
    assert judged(finding('growth', name, line + 1)) == 'missed'
    assert judged(finding('reference-leak', name, line)) == 'missed'
    assert judged(right, finding('growth', name, line)) == 'twice'
    assert judged(right, finding('cycle-garbage', name, line + 1)) == 'twice'
    assert judged(right, finding('growth', 'queue.py', 7)) == 'false'
    assert zoo.inexact({'type': 'dict', 'holder': 'jobs.queue', 'bytes': 'at least 500'},
                       dict(right, type='dict', held_by='__main__.jobs.queue')) == []
    assert zoo.inexact({'type': 'list', 'holder': 'jobs', 'bytes': 'at least 5000'}, right) == [
        'type not list', 'holder not jobs', 'bytes not at least 5000']


def test_the_zoo_is_whole():
    kinds = {}
    for program in zoo.programs():
        kinds[program.verdict] = kinds.get(program.verdict, 0) + 1
    assert kinds['healthy'] >= 30 and sum(kinds.values()) - kinds['healthy'] >= 40, kinds
    assert min(kinds.values()) >= 5 and len(kinds) == 7, kinds
    assert not set(KNOWN) - set(kinds) - {'%s/%s' % (p.kind, p.name) for p in zoo.programs()}, KNOWN


# ---- where the interpreter lies ----

@harness.cases('queue_without_consumer')
@harness.spread(1)
def test_the_library_is_the_library_wherever_it_lies(python, tmp, case):
    """Below a folder that is called like an interpreter, too."""
    folder = os.path.join(tmp, 'python-projects')
    os.symlink(python.prefix, folder)
    executable = os.path.join(folder, os.path.relpath(os.path.realpath(python.path), os.path.realpath(python.prefix)))
    done = harness.run([executable, '-c', 'import queue; print(queue.__file__)'])
    if done.returncode or not done.out.startswith(folder):
        raise harness.Skip('this interpreter finds its library where it is installed')
    python = copy.copy(python)
    python.path = executable
    status, said = zoo.run(python, zoo.Program('leaking', case), tmp)
    assert status == 'right', '%s: %s' % (status, said)
