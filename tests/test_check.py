# SPDX-License-Identifier: Apache-2.0
"""`pytrace check`: a leak turns a build red on its line, mending it turns it green, and what is known stays known."""
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import harness

# A service with one request handler; a history of it is made by changing lines.
SERVICE = '''
import pages

class Service:
    def __init__(self):
        self.seen = []

    def handle(self, number):
        page = pages.render(number)
        return len(page)

service = Service()
for number in range(20000):
    service.handle(number)
'''
PAGES = '''
cache = {}
def render(number):
    return "<p>page %d</p>" % number * 10
'''
LEAK = '        return len(page)', '        self.seen.append([None])\n        return len(page)'
OLD_LEAK = '    return "<p>', '    cache[number] = [number]\n    return "<p>'


def project(tmp, name, service=SERVICE, pages=PAGES):
    folder = os.path.join(tmp, name)
    os.makedirs(folder, exist_ok=True)
    for file, text in ('service.py', service), ('pages.py', pages):
        with open(os.path.join(folder, file), 'w') as f:
            f.write(text)
    return folder


def traced(folder, **env):
    """Runs the service of a folder traced; returns the trace."""
    traces = os.path.join(folder, 'traces')
    shutil.rmtree(traces, ignore_errors=True)
    os.mkdir(traces)
    return harness.run_traced([harness.PYTHONS[-1].path, 'service.py'], traces, env, cwd=folder).check().trace


def check(folder, trace, *args, status=0, env=None):
    done = harness.run([harness.PYTRACE, 'check'] + list(args) + [trace], cwd=folder, env=env)
    assert done.returncode == status, (done.returncode, done.out[-2000:], done.err)
    return done


def line_of(folder, file, text):
    with open(os.path.join(folder, file)) as f:
        return [number for number, line in enumerate(f, 1) if text in line][0]


def test_history_of_a_project(tmp):
    """Green, red with an annotation on the line, green when it is mended."""
    clean = project(tmp, 'clean')
    assert 'PASS: no leak was found' in check(clean, traced(clean)).out
    leaking = project(tmp, 'leaking', SERVICE.replace(*LEAK))
    trace = traced(leaking)
    done = check(leaking, trace, '--github', '--junit', 'junit.xml', '--sarif', 'leaks.sarif', status=1)
    line = line_of(leaking, 'service.py', 'self.seen.append')
    assert re.search(r'^FAIL: 1 new finding: ', done.out, re.M), done.out
    assert re.search(r'^::error file=service\.py,line=%d,(col=\d+,)?title=growth%%3A [^:]* in Service\.handle::after the warm-up' % line,
                     done.out, re.M), done.out
    look_at_junit(os.path.join(leaking, 'junit.xml'), line)
    look_at_sarif(os.path.join(leaking, 'leaks.sarif'), line)
    doc = json.loads(check(leaking, trace, '--json', status=1).out)
    assert (doc['schema'], doc['verdict'], len(doc['findings'])) == ('pytrace.check/1', 'fail', 1), doc
    assert (doc['findings'][0]['status'], doc['findings'][0]['verdict']) == ('new', 'growth')
    assert doc['reasons'] and doc['summary']['new'] == 1 and doc['summary']['baseline'] is None


def look_at_junit(path, line):
    suite = xml.etree.ElementTree.parse(path).getroot().find('testsuite')
    assert (suite.get('tests'), suite.get('failures'), suite.get('skipped')) == ('1', '1', '0'), suite.attrib
    # what JUnit.xsd demands and junit-10.xsd allows, in its order
    assert set(suite.attrib) == {'name', 'package', 'id', 'timestamp', 'hostname', 'tests', 'failures', 'errors', 'skipped', 'time'}
    assert re.match(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$', suite.get('timestamp')), suite.attrib
    assert [e.tag for e in suite] == ['properties', 'testcase', 'system-out', 'system-err'], [e.tag for e in suite]
    case = suite.find('testcase')
    assert case.attrib == {'classname': 'pytrace.growth', 'name': 'service.py: Service.handle', 'time': '0'}, case.attrib
    failure = case.find('failure')
    assert failure.get('type') == 'growth' and failure.text.startswith('service.py:%d\n' % line) and 'Service.handle' in failure.text


def look_at_sarif(path, line):
    with open(path) as f:
        doc = json.load(f, object_pairs_hook=harness.unique)
    assert doc['version'] == '2.1.0' and len(doc['runs']) == 1
    run = doc['runs'][0]
    rules = [r['id'] for r in run['tool']['driver']['rules']]
    assert len(rules) == len(set(rules)) == 7, rules
    result, = run['results']
    assert result['ruleId'] in rules and result['level'] == 'error' and result['message']['text'], result
    where = result['locations'][0]['physicalLocation']
    assert where['artifactLocation'] == {'uri': 'service.py', 'uriBaseId': 'SRCROOT'}, where
    assert where['region']['startLine'] == line and where['region'].get('startColumn', 1) > 0, where
    assert re.match(r'growth-[0-9a-f]{16}$', result['partialFingerprints']['pytrace/1'])
    assert len(result['stacks'][0]['frames']) >= 2


def test_baseline_is_a_ratchet(tmp):
    """Known leaks pass; a new one fails; mending shrinks the file, and nothing else ever grows it unasked."""
    both = project(tmp, 'app', SERVICE.replace(*LEAK), PAGES.replace(*OLD_LEAK))
    trace_both = traced(both)
    check(both, trace_both, status=1)
    old = project(tmp, 'old', SERVICE, PAGES.replace(*OLD_LEAK))
    trace_old = traced(old)
    base = os.path.join(tmp, 'leaks.json')
    done = check(old, trace_old, '--baseline', base, status=1)
    assert 'no baseline' in done.err and not os.path.exists(base)
    check(old, trace_old, '--baseline', base, '--update-baseline')
    first = read(base)
    assert len(first['findings']) == 1 and first['schema'] == 'pytrace.baseline/1', first
    assert 'PASS' in check(old, trace_old, '--baseline', base).out
    # another folder, and lines above it: the same leak
    moved = project(tmp, 'elsewhere/deeper', '# a comment\n\nimport os\n' + SERVICE,
                    '\n\n# other lines\nlimit = 3\n' + PAGES.replace(*OLD_LEAK))
    assert 'PASS' in check(moved, traced(moved), '--baseline', base).out
    # a second leak is new, also with --update-baseline, which must not take it in
    done = check(both, trace_both, '--baseline', base, '--update-baseline', status=1)
    assert 'FAIL: 1 new finding' in done.out and read(base)['findings'] == first['findings'], done.out
    check(both, trace_both, '--baseline', base, '--accept')
    assert len(read(base)['findings']) == 2
    # mended
    clean = project(tmp, 'clean')
    trace_clean = traced(clean)
    assert '2 findings of the baseline are gone' in check(clean, trace_clean, '--baseline', base).out
    check(clean, trace_clean, '--baseline', base, '--update-baseline')
    assert read(base)['findings'] == []
    # twice the work: worse than the baseline allows
    check(old, trace_old, '--baseline', base, '--accept')
    longer = project(tmp, 'longer', SERVICE.replace('20000', '40000'), PAGES.replace(*OLD_LEAK))
    done = check(longer, traced(longer), '--baseline', base, status=1)
    assert 'FAIL: 1 finding worse than in the baseline' in done.out, done.out
    assert 'PASS' in check(longer, os.path.join(longer, 'traces', os.listdir(os.path.join(longer, 'traces'))[0]),
                           '--baseline', base, '--tolerance', '150').out


def read(path):
    with open(path) as f:
        return json.load(f, object_pairs_hook=harness.unique)


def test_suppressions_budget_and_verdicts(tmp):
    folder = project(tmp, 'app', SERVICE.replace(*LEAK))
    trace = traced(folder)
    for text, status, unused in (('leak:handle', 0, 0), ('leak:^Service.handle$', 0, 0), ('leak:service.py', 0, 0), ('leak:Serv*andle', 0, 0),
                                 ('leak:^handle', 1, 1), ('type:list', 0, 0), ('type:^int$', 1, 1), ('verdict:growth handle', 0, 0),
                                 ('verdict:cycle-garbage handle', 1, 1), ('verdict:growth', 0, 0), ('# nothing\n\n', 1, 0)):
        with open(os.path.join(folder, 'supp'), 'w') as f:
            f.write(text + '\n')
        doc = json.loads(check(folder, trace, '--json', '--suppressions', 'supp', status=status).out)
        assert len(doc['unused_suppressions']) == unused, (text, doc['unused_suppressions'])
        assert doc['summary']['suppressed'] == 1 - status, (text, doc['summary'])
    assert 'was of no use: type:^int$' in check_with(folder, trace, 'type:^int$')
    check(folder, trace, '--budget', '100M')
    check(folder, trace, '--budget', '10K', status=1)
    check(folder, trace, '--verdicts', 'cycle-garbage,fragmentation')
    check(folder, trace, '--verdicts', 'cycle-garbage,growth', status=1)


def check_with(folder, trace, text):
    with open(os.path.join(folder, 'supp'), 'w') as f:
        f.write(text + '\n')
    return check(folder, trace, '--suppressions', 'supp', status=1).out


def test_what_cannot_be_used_is_named_in_one_line(tmp):
    folder = project(tmp, 'app')
    trace = traced(folder)
    for name, text in ('bad.supp', 'leak:x\nfoo\n'), ('bad.json', '{"schema": "x"}'), ('cut.json', '{"schema": '), \
            ('rows.json', '{"schema": "pytrace.baseline/1", "findings": [{"fingerprint": "a", "bytes": -1, "blocks": 0}]}'):
        with open(os.path.join(folder, name), 'w') as f:
            f.write(text)
    for args, says in ((('--suppressions', 'bad.supp'), 'bad.supp: line 2'), (('--suppressions', 'none.supp'), 'none.supp: No such file'),
                       (('--baseline', 'bad.json'), 'bad.json: no baseline of pytrace'), (('--baseline', 'cut.json'), 'cut.json: line 1'),
                       (('--baseline', 'rows.json'), 'rows.json: finding 1'), (('--verdicts', 'growth,leaks'), 'no such verdict: leaks'),
                       (('--update-baseline',), 'need --baseline'), (('--junit', 'no/such/folder.xml'), 'no/such/folder.xml')):
        done = check(folder, trace, *args, status=2)
        assert says in done.err and len(done.err.splitlines()) == 1, (args, done.err)
    done = harness.run([harness.PYTRACE, 'check', os.path.join(folder, 'service.py')])
    assert done.returncode == 3, done.returncode
    subprocess.check_call(['cp', trace, trace + '.cut'])
    os.truncate(trace + '.cut', os.path.getsize(trace) // 2)
    done = harness.run([harness.PYTRACE, 'check', '--require-complete', trace + '.cut'])
    assert done.returncode == 4, (done.returncode, done.err)


MARKS = '''
import libpytrace
kept = []
def handle(number):
    kept.append('request %d' % number * 20)
for number in range(3000):
    handle(number)
    libpytrace.mark('request')
'''


def test_budget_per_mark_is_in_all_reports(tmp):
    """Beyond it a test fails, a rule of its own stands on the line that grew most, and the annotation; within it none does."""
    folder = project(tmp, 'marks', service=MARKS)
    trace = traced(folder)
    files = ['--junit', 'junit.xml', '--sarif', 'leaks.sarif', '--github', '--warmup', '50']
    for budget, status in (('10K', 0), ('100', 1)):
        done = check(folder, trace, '--budget-per-mark', budget, *files, status=status)
        suite = xml.etree.ElementTree.parse(os.path.join(folder, 'junit.xml')).getroot().find('testsuite')
        assert (suite.get('tests'), suite.get('failures')) == ('2', str(2 * status)), suite.attrib
        case = [c for c in suite.iter('testcase') if c.get('name') == 'budget per mark'][0]
        assert (case.find('failure') is None) == (not status), case
        results = read(os.path.join(folder, 'leaks.sarif'))['runs'][0]['results']
        assert [r['ruleId'] for r in results if r['level'] == 'error'] == ['budget-per-mark', 'growth'][:2 * status], results
        lines = re.findall(r'^::error file=(\S+?),line=(\d+)', done.out, re.M)
        assert lines == [('service.py', str(line_of(folder, 'service.py', 'kept.append')))] * 2 * status, done.out


REFERENCES = '''
import ctypes, libpytrace
class Thing: pass
one = Thing()
def take(times):
    for _ in range(times):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
for _ in range(5):
    take(1000)
    libpytrace.snapshot()
'''


def test_references_have_no_bytes_and_fail_all_the_same(tmp):
    """One object with more and more references: new, known, and worse by their number."""
    folder = project(tmp, 'refs', service=REFERENCES)
    trace = traced(folder, PYTRACE_SNAPSHOT='call')
    done = check(folder, trace, '--github', status=1)
    assert 'FAIL: 1 new finding.' in done.out and '5,000 references on 1 object of type __main__.Thing' in done.out, done.out
    assert '::error file=service.py,line=%d,' % line_of(folder, 'service.py', 'one = Thing()') in done.out, done.out
    check(folder, trace, '--baseline', 'leaks.json', '--update-baseline')
    row, = read(os.path.join(folder, 'leaks.json'))['findings']
    assert row['blocks'] == 5000, row
    assert 'the baseline has 5,000 references' in check(folder, trace, '--baseline', 'leaks.json').out
    more = traced(project(tmp, 'refs', service=REFERENCES.replace('1000', '2000')), PYTRACE_SNAPSHOT='call')
    assert '1 finding worse than in the baseline.' in check(folder, more, '--baseline', 'leaks.json', status=1).out
