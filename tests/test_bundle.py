# SPDX-License-Identifier: Apache-2.0
"""A trace says the same elsewhere: with a copy of the traced machine's files below another root, and with a bundle and no files
at all. Without either it says what is missing."""
import os
import shutil
import subprocess

import harness

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
LEAK_C = '''
#include <stdlib.h>
void *kept[100000];
static int n;
static inline __attribute__((always_inline)) void *take(size_t size)
{
	return malloc(size); /* the leak */
}
__attribute__((noinline)) int leak(int size)
{
	kept[n++] = take(size);
	return n;
}
'''

PROGRAM = '''
import ctypes, json, sys
lib = ctypes.CDLL(sys.argv[1])
def serve(i):
    lib.leak(300)
    json.loads('{"a": [1, 2, %d]}' % i)
for i in range(3000):
    serve(i)
'''


def save(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)
    return path


def traced(tmp, python):
    """A trace, and the folder of what it was made from."""
    if not shutil.which('gcc'):
        raise harness.Skip('needs gcc')
    if not python.has('ctypes'):
        raise harness.Skip('this interpreter has no ctypes')
    app = tmp + '/app'
    code, program, library = save(app + '/leak.c', LEAK_C), save(app + '/prog.py', PROGRAM), app + '/libleak.so'
    subprocess.check_call(['gcc', '-g', '-O2', '-shared', '-fPIC', '-Wl,--build-id', code, '-o', library])
    os.utime(code, (1e9, 1e9))
    os.utime(program, (1e9, 1e9))
    os.makedirs(tmp + '/out')
    done = harness.run_traced([python.path, program, library], tmp + '/out', env={'PYTRACE_NATIVE': '1'}).check()
    return done.trace, app


REPORTS = {
    'leaks': (['leaks', '--full'], ['leaks', '--json'], ['summary']),
    'sites': (['sites', '--by', 'stack', '--full', '--top', '50'], ['sites', '--json', '--internals']),
    'frames': (['export', '--format', 'folded'], ['sites', '--by', 'function', '--top', '0']),
}


def reports(trace, case, *options):
    """What reports say, as text and as JSON."""
    return [harness.pytrace(*(line + list(options) + [trace])).out for line in REPORTS[case]]


def same(before, after):
    for a, b in zip(before, after):
        if a != b:
            lines = [(x, y) for x, y in zip(a.splitlines(), b.splitlines()) if x != y]
            raise AssertionError('%d lines differ, the first: %r, now %r' % (len(lines), *(lines or [(a[-80:], b[-80:])])[0]))


def copy_tree(root, files):
    for name in files:
        if os.path.exists(name):
            os.makedirs(root + os.path.dirname(name), exist_ok=True)
            shutil.copy2(os.path.realpath(name), root + name)


def debug_files(module):
    """The separate debug files that belong to a module here."""
    if not shutil.which('readelf'):
        raise harness.Skip('needs readelf')
    notes = subprocess.run(['readelf', '-n', module], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    ids = [row.split()[-1] for row in notes.splitlines() if 'Build ID:' in row]
    return ['/usr/lib/debug/.build-id/%s/%s.debug' % (i[:2], i[2:]) for i in ids]


def modules_of(trace, tmp):
    doc = harness.report('bundle', '-f', '-o', tmp + '/unused.symbols', trace)
    assert not doc['bundles'][0]['wrong'], doc['bundles'][0]['wrong']
    return doc['bundles'][0]['modules']


@harness.spread(4)
@harness.cases(*REPORTS)
def test_second_root(tmp, python, case):
    """Everything below another folder, and the originals gone."""
    trace, app = traced(tmp, python)
    before = reports(trace, case)
    if case == 'leaks':
        assert 'leak.c:7' in before[0] and '    lib.leak(300)' in before[0], before[0][:3000]
    assert 'take' in before[0], before[0][:3000]
    modules = [m['path'] for m in modules_of(trace, tmp)]
    assert any(m.endswith('/libleak.so') for m in modules), modules
    root = tmp + '/root'
    copy_tree(root, modules + [d for m in modules for d in debug_files(m)] + [app + '/leak.c', app + '/prog.py'])
    for found in harness.report('leaks', trace)['findings']:  # sources of the interpreter that are shown
        if found['site'] and found['site']['file']:
            copy_tree(root, [found['site']['file']])
    os.rename(app, tmp + '/elsewhere')
    same(before, reports(trace, case, '--sysroot', root))
    without = harness.pytrace('leaks', '--full', trace)
    assert 'leak.c' not in without.out, without.out[:2000]


@harness.spread(4)
@harness.cases(*REPORTS)
def test_bundle(tmp, python, case):
    """Beside the trace, and no module to be found."""
    trace, app = traced(tmp, python)
    before = reports(trace, case)
    made = harness.report('bundle', trace)['bundles'][0]
    own = [m for m in made['modules'] if m['path'].endswith('/libleak.so')]
    assert own and own[0]['named'] == own[0]['with_line'] == own[0]['addresses'] > 0, made['modules']
    assert made['output'] == trace + '.symbols' and os.path.getsize(trace + '.symbols') == made['bytes']
    assert harness.pytrace('bundle', trace, status=2).err, 'written twice without -f'
    os.rename(app, tmp + '/elsewhere')
    same(before, reports(trace, case))
    os.mkdir(tmp + '/nothing')
    same(before, reports(trace, case, '--sysroot', tmp + '/nothing'))
    made_again = harness.report('bundle', '-f', '--sysroot', tmp + '/nothing', trace)['bundles'][0]
    assert {m['path']: m['named'] for m in made_again['modules']} == {m['path']: m['named'] for m in made['modules']}
    same(before, reports(trace, case, '--sysroot', tmp + '/nothing'))


@harness.spread(1)
@harness.cases('leaks', 'sites')
def test_damaged_bundle(tmp, python, case):
    """It is named, and the report is made without it."""
    trace, _ = traced(tmp, python)
    before = reports(trace, case)
    with open(trace + '.symbols', 'wb') as f:
        f.write(b'PYTRSYM\n' + bytes(100))
    done = harness.pytrace(*(REPORTS[case][0] + [trace]))
    assert done.out == before[0] and '.symbols' in done.err and len(done.err.splitlines()) == 1, done.err
    missing = harness.report(case, trace)['trace'][0]['missing']
    assert any('.symbols' in text for text in missing), missing


@harness.spread(1)
def test_another_build(tmp, python):
    """A library that was built anew since is named once; its frames show as module and offset."""
    trace, app = traced(tmp, python)
    subprocess.check_call(['gcc', '-O0', '-shared', '-fPIC', '-Wl,--build-id', app + '/leak.c', '-o', app + '/libleak.so'])
    done = harness.pytrace('leaks', '--full', trace)
    assert 'leak.c' not in done.out and 'libleak.so+0x' in done.out, done.out[:2500]
    assert done.err.count('libleak.so') == 1 and 'build id' in done.err, done.err


@harness.spread(1)
def test_where_it_goes(tmp, python):
    trace, _ = traced(tmp, python)
    copy = tmp + '/copy.pytrace'
    shutil.copy(trace, copy)
    os.mkdir(tmp + '/folder')
    harness.pytrace('bundle', '-o', tmp + '/folder', trace, copy)
    assert sorted(os.listdir(tmp + '/folder')) == sorted(os.path.basename(t) + '.symbols' for t in (trace, copy))
    harness.pytrace('bundle', '-o', tmp + '/one', trace)
    assert os.path.getsize(tmp + '/one') > 64
    assert 'folder' in harness.pytrace('bundle', '-o', tmp + '/one', '-f', trace, copy, status=2).err
    save(tmp + '/no.pytrace', 'nothing')
    harness.pytrace('bundle', tmp + '/no.pytrace', status=3)
    assert not os.path.exists(tmp + '/no.pytrace.symbols')
