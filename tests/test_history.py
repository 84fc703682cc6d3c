# SPDX-License-Identifier: Apache-2.0
"""`pytrace check` along a project's history: the commit that brings a leak turns red on its line, and only that one does."""
import glob
import json
import os
import re
import shutil

import harness

BASE = os.path.join(harness.HERE, 'history')
LEAK = '        return page\n', '        self.seen.append("visit %d" % number)\n        return page\n'
START = '        self.cache = {}\n', '        self.cache = {}\n        self.seen = []\n'


class Project:
    """A repository with the service, its baseline beside it."""

    def __init__(self, python, tmp):
        if not shutil.which('git'):
            raise harness.Skip('needs git')
        self.python, self.folder, self.traces = python, os.path.join(tmp, 'project'), os.path.join(tmp, 'traces')
        shutil.copytree(BASE, self.folder, ignore=shutil.ignore_patterns('__pycache__'))
        os.mkdir(self.traces)
        self.git('init', '-q')
        self.commit('The service')

    def git(self, *args):
        env = harness.clean_env(GIT_CONFIG_GLOBAL='/dev/null', GIT_CONFIG_SYSTEM='/dev/null', HOME=self.traces)
        who = ['-c', 'user.name=A', '-c', 'user.email=a@example.org']
        return harness.run(['git'] + who + list(args), cwd=self.folder, env=env).check().out

    def commit(self, what):
        self.git('add', '.')
        self.git('commit', '-q', '--allow-empty', '-m', what)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def edit(self, file, *changes):
        with open(self.path(file)) as f:
            text = f.read()
        for old, new in changes:
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        with open(self.path(file), 'w') as f:
            f.write(text)
        self.commit('Change %s' % file)

    def line(self, file, text):
        with open(self.path(file)) as f:
            return [n for n, line in enumerate(f, 1) if text in line][0]

    def run(self, requests=6000):
        for old in glob.glob(os.path.join(self.traces, '*.pytrace')):
            os.unlink(old)
        argv = [self.python.path, '-B', 'service.py', str(requests)]
        self.trace = harness.run_traced(argv, self.traces, cwd=self.folder).check().trace

    def check(self, *args, red=False, cwd=None, env=None):
        """As a job does it; the paths of its files are outside of the repository. Returns what it printed."""
        files = ['--junit', self.traces + '/leaks.xml', '--sarif', self.traces + '/leaks.sarif', '--github']
        done = harness.run([harness.PYTRACE, 'check', '--baseline', self.path('leaks.json')] + files + list(args) + [self.trace],
                           cwd=cwd or self.folder, env=env or harness.clean_env())
        assert done.returncode == (1 if red else 0), (done.returncode, done.out[-1500:], done.err)
        with open(self.traces + '/leaks.sarif') as f:
            self.results = json.load(f)['runs'][0]['results']
        self.annotations = re.findall(r'^::error file=([^,]*),line=(\d+),', done.out, re.M)
        return done.out

    def errors(self):
        """Of the SARIF file: rule, file and line of what fails."""
        found = []
        for r in self.results:
            where = r['locations'][0]['physicalLocation']
            if r['level'] == 'error':
                assert where['artifactLocation']['uriBaseId'] == 'SRCROOT', where
                found.append((r['ruleId'], where['artifactLocation']['uri'], where['region']['startLine']))
        return found

    def baseline(self):
        with open(self.path('leaks.json')) as f:
            return json.load(f)['findings']


@harness.spread(3)
def test_history(python, tmp):
    p = Project(python, tmp)
    p.run()
    assert 'FAIL' in p.check(red=True) and p.errors() == [('growth', 'app/audit.py', p.line('app/audit.py', 'log.append'))], p.errors()
    p.check('--update-baseline')
    p.commit('What we know of')
    known = p.baseline()
    assert len(known) == 1 and known[0]['fingerprint'].startswith('growth-'), known
    p.check()
    assert p.annotations == [] and [r['baselineState'] for r in p.results] == ['unchanged'], p.results

    # code moves: other lines, another order, another folder of the project
    p.edit('app/audit.py', ('log = []', 'import os\n\nLIMIT = 10\n\n\ndef limit():\n    return LIMIT\n\n\nlog = []'))
    p.edit('app/pages.py', ('class Visit:\n    def __init__(self, number):\n        self.number = number\n        self.steps = []\n\n\n', ''),
           ('def serve(', 'class Visit:\n    def __init__(self, number):\n        self.number = number\n        self.steps = []\n\n\ndef serve('))
    os.rename(p.folder, p.folder + '-moved')
    p.folder += '-moved'
    p.run()
    assert 'PASS' in p.check() and p.annotations == [] and p.baseline() == known

    # a leak: red on its line, also when it is looked at from a folder inside; nothing takes it into the baseline unasked
    p.edit('app/pages.py', LEAK, START)
    p.run()
    line = p.line('app/pages.py', 'self.seen.append')
    assert 'FAIL: 1 new finding' in p.check('--update-baseline', red=True)
    assert p.annotations == [('app/pages.py', str(line))] and p.errors() == [('growth', 'app/pages.py', line)], p.errors()
    assert [(r['fingerprint'], r['where']) for r in p.baseline()] == [(r['fingerprint'], r['where']) for r in known]
    p.check(red=True, cwd=p.path('app'))
    assert p.annotations == [('app/pages.py', str(line))], p.annotations
    # the same trace, read in another checkout, as by a job that gets it as an artifact
    shutil.copytree(p.folder, p.folder + '-other')
    p.check(red=True, cwd=p.folder + '-other')
    assert p.annotations == [('app/pages.py', str(line))], p.annotations

    # mended: green; the known one mended: the file shrinks
    p.edit('app/pages.py', LEAK[::-1])
    p.run()
    assert 'PASS' in p.check() and p.annotations == []
    p.edit('app/audit.py', ("    log.append('page %d' % page)", '    log[:] = [page]'))
    p.run()
    assert '1 finding of the baseline is gone' in p.check()
    p.check('--update-baseline')
    assert p.baseline() == []


@harness.spread(2)
def test_known_leak_gets_worse(python, tmp):
    p = Project(python, tmp)
    p.run()
    p.check('--update-baseline')
    before = p.baseline()
    p.edit('app/audit.py', ("    log.append('page %d' % page)", "    log.append('page %d' % page * 20)"))
    p.run()
    assert 'worse than in the baseline' in p.check('--update-baseline', red=True)
    assert len(p.annotations) == 1 and p.baseline() == before, p.annotations
    assert [r['baselineState'] for r in p.results] == ['updated'], p.results
    p.check('--accept')
    assert p.baseline()[0]['bytes'] > 2 * before[0]['bytes'] and p.baseline()[0]['fingerprint'] == before[0]['fingerprint']
    # what this run says nothing about stays: other verdicts, a trace that was cut
    after = p.baseline()
    p.check('--verdicts', 'cycle-garbage', '--update-baseline')
    assert p.baseline() == after
    with open(p.trace, 'r+b') as f:
        f.truncate(os.path.getsize(p.trace) // 3)
    done = harness.run([harness.PYTRACE, 'check', '--baseline', p.path('leaks.json'), '--update-baseline', p.trace], cwd=p.folder)
    assert done.returncode == 0 and p.baseline() == after, (done.returncode, done.out, p.baseline())


@harness.spread(3)
def test_cycle(python, tmp):
    p = Project(python, tmp)
    p.run()
    p.check('--update-baseline')
    p.edit('app/pages.py', ('from app import audit\n', 'import gc\n\nfrom app import audit\n\ngc.disable()\n'),
           ('        self.steps = []\n', '        self.steps = [self]\n'))
    p.run()
    assert 'FAIL: 1 new finding' in p.check(red=True)
    (rule, file, line), = p.errors()
    assert (rule, file) == ('cycle-garbage', 'app/pages.py') and p.annotations == [(file, str(line))], p.errors()
    made = {p.line('app/pages.py', 'visit = Visit(number)'), p.line('app/pages.py', 'self.steps = [self]'),
            p.line('app/pages.py', 'self.number = number')}
    assert line in made, (line, made)


def build(python, p):
    if not os.path.exists(os.path.join(python.include, 'Python.h')) or not shutil.which('cc'):
        raise harness.Skip('needs cc and Python.h')
    harness.run(['cc', '-g', '-O2', '-shared', '-fPIC', '-I' + python.include, '-I' + os.path.dirname(python.include), '_stamp.c', '-o',
                 p.path('_stamp.so')], cwd=p.folder).check()


@harness.spread(3)
@harness.cases('reference', 'memory')
def test_extension(python, tmp, case):
    """A reference that is taken once too often, memory that is not given back: red on the line in C or the one that made the object."""
    p = Project(python, tmp)
    p.edit('app/pages.py', ('from app import audit\n', 'import _stamp\n\nfrom app import audit\n'),
           ('    return len(visit.steps)\n', '    _stamp.stamp(visit)\n    return len(visit.steps)\n'))
    build(python, p)
    p.run()
    p.check('--update-baseline')
    assert len(p.baseline()) == 1, p.baseline()
    bad = {'reference': '\tPy_INCREF(object);\n\treturn list;', 'memory': '\tmemset(PyMem_RawMalloc(500), 1, 500);\n\treturn list;'}[case]
    p.edit('_stamp.c', ('\t/* here */\n\treturn list;', bad))
    build(python, p)
    p.run()
    p.check(red=True)
    (rule, file, line), = p.errors()
    assert p.annotations == [(file, str(line))], p.annotations
    if case == 'reference':
        assert rule == 'reference-leak' and (file, line) == ('app/pages.py', p.line('app/pages.py', 'visit = Visit(number)')), (file, line)
    else:
        assert rule == 'native-unreachable', rule
        assert (file, line) == ('_stamp.c', p.line('_stamp.c', 'PyMem_RawMalloc')), (file, line)
