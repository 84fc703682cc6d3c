# SPDX-License-Identifier: Apache-2.0
"""pytest --pytrace: tests that leak fail with the line that does it, and no other test does."""
import os
import re
import shutil
import xml.etree.ElementTree

import harness
import venvs

FOLDER = os.path.join(harness.HERE, 'pytest_plugin')
NEW = ('pytest', 'pytest-xdist')
OLD = ('pytest==6.2.5', 'pytest-xdist==2.5.0', 'pytest-rerunfailures==10.2', 'setuptools<81')  # with pkg_resources


def python_with(requirements):
    """The newest of the interpreters for the newest pytest, the oldest for an old one."""
    usual = [p for p in harness.PYTHONS if not p.free_threaded and (requirements is not OLD or p.minor <= (3, 11))]
    if not usual:
        raise harness.Skip('no interpreter with a GIL' + (', and old enough for pytest 6' if requirements is OLD else ''))
    return venvs.venv(usual[0] if requirements is OLD else usual[-1], *requirements)


def project(tmp, *names):
    folder = os.path.join(tmp, 'project')
    os.mkdir(folder)
    for name in names:
        shutil.copy(os.path.join(FOLDER, name), folder)
    return folder


def line_of(name, text):
    with open(os.path.join(FOLDER, name)) as f:
        return next(i for i, line in enumerate(f, 1) if text in line)


class Session:
    """A run of pytest: its output and its JUnit file."""

    def __init__(self, python, folder, *args, status=1, env=None):
        report = os.path.join(folder, 'report.xml')
        usual = {'PATH': os.path.dirname(harness.PYTRACE) + ':' + os.environ['PATH'], 'COLUMNS': '200', 'PYTEST_ADDOPTS': ''}
        env = dict(harness.clean_env(), **dict(usual, **(env or {})))
        self.done = harness.run([python, '-m', 'pytest', '-p', 'no:cacheprovider', '--junitxml', report] + list(args),
                                env=env, cwd=folder, timeout=200)
        self.out = self.done.out
        assert self.done.returncode == status, (self.done.returncode, self.out[-3000:], self.done.err[-1000:])
        self.cases = {}
        if os.path.exists(report):
            for case in xml.etree.ElementTree.parse(report).iter('testcase'):
                self.cases.setdefault(case.get('name').split('.')[-1], []).append(case)

    def failed(self):
        return {name for name, cases in self.cases.items() for c in cases if c.find('failure') is not None}

    def message(self, name):
        return next(c.find('failure').get('message') for c in self.cases[name] if c.find('failure') is not None)

    def text(self, name):
        return next(c.find('failure').text for c in self.cases[name] if c.find('failure') is not None)


SHOP_LEAKS = {'test_leaks', 'test_leaks_in_its_fixture', 'test_parameter[4000]', 'test_leaks_one_byte_more'}


def check_shop(session, fails):
    add, keep = line_of('shop.py', 'leaks: by add'), line_of('shop.py', 'leaks: by keep')
    assert session.failed() == fails, (sorted(session.failed() ^ fails), session.out[-6000:])
    for name in fails & SHOP_LEAKS - {'test_leaks_one_byte_more'}:
        assert re.match(r'LEAK: .* a run at shop\.py:%d in add \(bytearray\)$' % add, session.message(name)), session.message(name)
        assert 'held by shop.ITEMS' in session.text(name), session.text(name)
    assert session.message('test_leaks_one_byte_more') == \
        'LEAK: 4.92 KiB a run at shop.py:%d in keep (bytes), the limit is 4.91 KiB' % keep, session.message('test_leaks_one_byte_more')
    assert re.match(r'MEMORY: 1\.0\d MiB at the peak, the limit is 1\.00 MiB; most at shop_tests\.py:%d in '
                    r'test_of_too_much_memory' % line_of('shop_tests.py', '    bytes(1 << 20)\n'),
                    session.message('test_of_too_much_memory')), session.message('test_of_too_much_memory')
    names = [c.get('classname') for c in session.cases['test_leaks'] if c.find('failure') is not None]
    assert sorted(names) == ['shop_tests', 'shop_tests.TestOfUnittest'], names
    assert 'LEAKED shop_tests.py::test_leaks - LEAK: ' in session.out, session.out[-3000:]


def test_each_leak_and_nothing_else(tmp):
    folder = project(tmp, 'shop.py', 'shop_tests.py')
    session = Session(python_with(NEW), folder, '--pytrace', '--strict-markers', '--doctest-modules', 'shop.py', 'shop_tests.py')
    check_shop(session, SHOP_LEAKS | {'test_of_too_much_memory', 'test_fails'})
    assert 'UNDECIDED shop_tests.py::test_only_once' in session.out, session.out[-3000:]
    assert re.search(r'\n26 tests; \d+ were suspicious and ran again; 5 leak\n', session.out), session.out[-3000:]
    assert sorted(set(os.listdir(folder)) - {'__pycache__'}) == ['report.xml', 'shop.py', 'shop_tests.py'], os.listdir(folder)


def test_an_old_pytest_and_one_that_runs_tests_again(tmp):
    folder = project(tmp, 'shop.py', 'shop_tests.py')
    chosen = 'test_leaks and not fixture or too_much or bound'
    session = Session(python_with(OLD), folder, '--pytrace', '--strict-markers', 'shop_tests.py', '-k', chosen)
    check_shop(session, {'test_leaks', 'test_leaks_one_byte_more', 'test_of_too_much_memory'})
    session = Session(python_with(OLD), folder, '--pytrace', '--reruns', '1', 'shop_tests.py', '-k', 'one_byte or bound or clean')
    assert session.failed() == {'test_leaks_one_byte_more'} and '1 rerun' in session.out, session.out[-3000:]


def test_workers_of_xdist_tell_their_leaks(tmp):
    folder = project(tmp, 'shop.py', 'shop_tests.py')
    session = Session(python_with(NEW), folder, '--pytrace', '-n', '2', '--pytrace-path', 'traces', 'shop_tests.py',
                      '-k', 'leaks or clean or bound or replaces')
    assert session.failed() == SHOP_LEAKS - {'test_parameter[4000]'}, session.out[-4000:]
    assert re.search(r'\nLEAK shop_tests\.py::test_leaks \[gw[01]\]\n', session.out), session.out[-4000:]
    traces = [os.path.join(folder, 'traces', t) for t in sorted(os.listdir(os.path.join(folder, 'traces')))]
    assert len(traces) == 3, traces
    labels = {m['label'] for t in traces for m in harness.report('info', t)['marks']}
    test = 'shop_tests.py::TestOfUnittest::test_clean '
    assert {l.split('] ', 1)[1] for l in labels if test in l} == {test + p for p in ('setup', 'call', 'teardown', 'end')}, labels
    assert {l[:5] for l in labels} <= {'[gw0]', '[gw1]'}, labels


def test_what_an_extension_loses(tmp):
    python, include = python_with(NEW), harness.PYTHONS
    usual = [p for p in include if not p.free_threaded][-1]
    if not shutil.which('cc') or not os.path.exists(os.path.join(usual.include, 'Python.h')):
        raise harness.Skip('no cc, or no Python.h')
    folder = project(tmp, 'lost.c')
    harness.run(['cc', '-g', '-O1', '-shared', '-fPIC', '-I' + usual.include, '-o', os.path.join(folder, 'lost.so'),
                 os.path.join(folder, 'lost.c')]).check()
    with open(os.path.join(folder, 'test_lost.py'), 'w') as f:
        f.write('import lost\n\ndef test_fine():\n    lost.fine(70000)\n\ndef test_buffer():\n    lost.buffer(700)\n\n'
                'def test_reference():\n    lost.reference({str(i): i for i in range(20)})\n')
    session = Session(python, folder, '--pytrace')
    assert session.failed() == {'test_buffer', 'test_reference'}, session.out[-4000:]
    assert session.message('test_buffer') == 'LEAK: 700 B a run at lost.c:%d in buffer (memory)' % line_of('lost.c', 'leaks: buffer')
    assert 'called by test_lost.py:7 in test_buffer' in session.text('test_buffer'), session.text('test_buffer')
    assert re.match(r'LEAK: .* at test_lost\.py:10 in (test_reference|<dictcomp>) ', session.message('test_reference')), session.message('test_reference')


LITTLE_LEAKS = {'test_leaks_a_float', 'test_leaks_a_weak_reference', 'test_leaks_40_bytes_of_c', 'test_leaks_a_reference',
                'test_leaks_by_its_fixture'}


def test_other_forms_of_tests_and_what_they_leak_be_it_little(tmp):
    folder = project(tmp, 'shop.py', 'kinds_tests.py', 'little_tests.py')
    session = Session(python_with(NEW), folder, '--pytrace', 'kinds_tests.py', 'little_tests.py')
    leaking = re.findall(r'^LEAK kinds_tests\.py::(\S+)$', session.out, re.M)
    assert sorted(leaking) == ['TestAsync::test_leaks', 'TestClass::test_leaks', 'TestParts::test_leaks', 'test_leaks_in_a_thread'], \
        session.out[-4000:]
    assert 'subtests passed' not in session.out or ' 6 subtests passed' in session.out, session.out[-3000:]
    add = line_of('shop.py', 'leaks: by add')
    assert len(re.findall(r'^LEAK: .* at shop\.py:%d in add \(bytearray' % add, session.out, re.M)) == 4, session.out[-4000:]
    assert set(re.findall(r'^LEAK little_tests\.py::(\S+)$', session.out, re.M)) == LITTLE_LEAKS, session.out[-4000:]
    for name in LITTLE_LEAKS:
        line = line_of('little_tests.py', 'def ' + ('thing' if 'fixture' in name else name)) + (2 if 'fixture' in name else 1)
        assert re.match(r'LEAK: \S+ B a run at little_tests\.py:%d in ' % line, session.message(name)), session.message(name)


def test_without_the_option_it_does_nothing(tmp):
    folder = project(tmp, 'shop.py', 'shop_tests.py')
    with open(os.path.join(folder, 'conftest.py'), 'w') as f:
        f.write('import sys\ndef pytest_unconfigure():\n    assert "libpytrace" not in sys.modules\n'
                '    assert not [m for m in sys.modules if m.startswith("pytest_pytrace.")]\n')
    session = Session(python_with(NEW), folder, '--strict-markers', 'shop_tests.py')
    assert session.failed() == {'test_fails'}, session.out[-3000:]
    assert 'pytrace:' not in session.out, session.out[:2000]


def test_options_and_what_is_missing(tmp):
    python = python_with(NEW)
    folder = project(tmp, 'shop.py', 'shop_tests.py')
    usage = Session(python, folder, '--pytrace', status=4, env={'PATH': '/nowhere'})
    assert re.match(r'ERROR: --pytrace: the program pytrace is not found \(not on PATH\): put .* on PATH', usage.done.err), usage.done.err
    usage = Session(python, folder, '--pytrace', status=4, env={'PYTRACE_LIBRARY': '/nowhere/libpytrace.so'})
    assert 'ERROR: --pytrace: libpytrace.so is not found (/nowhere/libpytrace.so)' in usage.done.err, usage.done.err
    usage = Session(python, folder, '--pytrace', '--pytrace-runs=some', status=4)
    assert "--pytrace-runs: invalid runs: 'some'" in usage.done.err, usage.done.err
    told = Session(python, folder, '--pytrace', '--pytrace-limit=none', '--pytrace-runs=1:2', 'shop_tests.py', '-k', 'test_leaks',
                   '--deselect', 'shop_tests.py::test_leaks_one_byte_more', status=0)
    assert told.out.count('\nLEAK shop_tests.py::') == 3 and 'in each of 2 runs' in told.out, told.out[-3000:]
