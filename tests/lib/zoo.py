# SPDX-License-Identifier: Apache-2.0
"""zoo: programs that leak and programs that do not, and how a report on one is judged.

The docstring of a leaking program says what is true of it, a line each:

    verdict: growth                   always; and the line to blame ends with "# leak" ("/* leak */" in C)
    type: __main__.Session            of what leaks
    holder: __main__.app.sessions     part of the names that lead to the container
    bytes: at least 100000
    objects: 1500                     of garbage that stays, or with a surplus of references; or "at least N"
    c: _name.c                        built beside the program: an extension if it includes Python.h, else a library for ctypes
    snapshot: exit,every=200ms        PYTRACE_SNAPSHOT of the run, where the default (exit) cannot decide
    needs: gil                        or "3.9" (or later), "<3.10", or a module: other interpreters are skipped, with that reason

A report is right when it has one finding, with that verdict, blamed on that line. A healthy program must have no finding at all.
"""
import glob
import os
import re
import shutil

import harness

FOLDER = os.path.join(harness.HERE, 'zoo')
KINDS = 'leaking', 'healthy'
STATUSES = 'right', 'missed', 'inexact', 'twice', 'false', 'broken', 'skipped'


class Program:
    """One of the zoo: `kind`, `name`, `path`, and what its docstring says."""

    def __init__(self, kind, name):
        self.kind, self.name, self.path = kind, name, os.path.join(FOLDER, kind, name + '.py')
        with open(self.path, encoding='utf-8') as f:
            text = f.read()
        self.says = dict(re.findall(r'^(verdict|type|holder|bytes|objects|c|snapshot|needs): (.+)$', text.split('"""')[1], re.M))
        self.verdict = self.says.get('verdict', 'healthy')
        self.sources = [os.path.join(FOLDER, kind, c) for c in self.says.get('c', '').split()]
        self.lines = {(os.path.basename(path), n) for path in [self.path] + self.sources for n in marked(path)}
        assert (self.kind == 'healthy') == (not self.lines) == ('verdict' not in self.says), '%s: verdict and line' % self.path


def marked(path):
    with open(path, encoding='utf-8') as f:
        return [n for n, line in enumerate(f, 1) if line.rstrip().endswith('# leak') or '/* leak */' in line]


def programs(kinds=KINDS):
    return [Program(kind, os.path.basename(f)[:-3]) for kind in kinds for f in sorted(glob.glob(os.path.join(FOLDER, kind, '*.py')))]


# ---- judging ----

def place(finding):
    return os.path.basename(finding['blame']['file'] or '?'), finding['blame']['line']


def one_line(finding):
    return '%s %s:%s %s %d bytes, held by %s' % ((finding['verdict'],) + place(finding) + (
        finding['type'], finding['bytes'], finding.get('held_by')))


def said(doc):
    """What the report said, in a line."""
    if doc['findings']:
        return '; '.join(one_line(f) for f in doc['findings'])
    if doc['undecided']:
        return 'undecided: ' + '; '.join('%s (%s)' % (one_line(f), f['why'][:60]) for f in doc['undecided'][:2])
    return 'nothing'


def at_least(number, wanted):
    words = wanted.split()
    return number >= int(words[-1]) if words[0] == 'at' else number == int(words[-1])


def objects(finding):
    if finding['members']:
        return finding['evidence'].get('objects', 0)
    return (finding.get('surplus') or {}).get('objects', 0)


def inexact(says, finding):
    """Which of the program's words are not true of its finding: a list of names."""
    held_by = finding.get('held_by') or ''
    true = {'type': lambda w: finding['type'] == w, 'holder': lambda w: w in held_by,
            'bytes': lambda w: at_least(finding['bytes'], w), 'objects': lambda w: at_least(objects(finding), w)}
    return ['%s not %s' % (name, says[name]) for name in true if name in says and not true[name](says[name])]


def judge(program, doc):
    """(one of STATUSES, what the report said).

    missed   no finding with the verdict on the line
    false    a finding besides that is blamed on somebody else's code, or any on a healthy program
    twice    another finding on the program's own code: it has only one leak
    inexact  the right finding, with a wrong type, holder, or number"""
    findings = doc['findings']
    if program.kind == 'healthy':
        return 'false' if findings else 'right', said(doc)
    hits = [f for f in findings if f['verdict'] == program.verdict and place(f) in program.lines]
    others = [f for f in findings if not hits or f is not hits[0]]
    own = {os.path.basename(path) for path in [program.path] + program.sources}
    wrong = inexact(program.says, hits[0]) if hits else []
    status = 'missed' if not hits else 'false' if any(place(f)[0] not in own for f in others) else 'twice' if others else \
        'inexact' if wrong else 'right'
    return status, ', '.join(wrong + [said(doc)])


# ---- running ----

def skip_if_it_cannot(program, python):
    for need in program.says.get('needs', '').split():
        version = tuple(map(int, need.lstrip('<').split('.'))) if need.lstrip('<')[0].isdigit() else None
        has = not python.free_threaded if need == 'gil' else python.has(need) if not version else \
            python.minor < version if need[0] == '<' else python.minor >= version
        if not has:
            raise harness.Skip('needs ' + need)


def build(program, python, tmp):
    """Puts the program and what is built for it into `tmp`; returns its path there."""
    for source in program.sources:
        with open(source, encoding='utf-8') as f:
            flags = ['-I' + python.include, '-I' + os.path.dirname(python.include)] if 'Python.h' in f.read() else []
        if not shutil.which('cc'):
            raise harness.Skip('no cc')
        if flags and not os.path.exists(os.path.join(python.include, 'Python.h')):
            raise harness.Skip('no Python.h for this interpreter')
        shared = os.path.join(tmp, os.path.basename(source)[:-2] + '.so')
        harness.run(['cc', '-g', '-O2', '-shared', '-fPIC'] + flags + [source, '-o', shared]).check()
    return shutil.copy(program.path, tmp)


def report(python, program, tmp):
    """Traces a program; returns what `pytrace leaks` says of it."""
    skip_if_it_cannot(program, python)
    path = build(program, python, tmp)
    settings = {'PYTRACE_SNAPSHOT': program.says['snapshot']} if 'snapshot' in program.says else {}
    done = harness.run_traced([python.path, '-B', path], tmp, settings).check()
    return harness.report('leaks', done.trace, *[t for t in done.traces if t != done.trace])


def run(python, program, tmp):
    """judge()'s answer on one run."""
    return judge(program, report(python, program, tmp))
