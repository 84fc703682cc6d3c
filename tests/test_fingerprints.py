# SPDX-License-Identifier: Apache-2.0
"""Fingerprints name a leak: the same one on another machine, in another folder, with another Python, with and without debug
information and after edits elsewhere; another one for another leak, in the same function too where it can be told apart."""
import os
import shutil
import subprocess

import harness

MAIN = '''
import ctypes
import os
import threading
import store
import plugin

native = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'libunpack.so')).unpack

def remember(number):
    store.put(number)

def unpack(number):
    native(700 + number % 7)

def serve():
    for number in range(3000):
        plugin.dispatch(remember, number)
        unpack(number)

worker = threading.Thread(target=serve)
worker.start()
worker.join()
'''
STORE = '''
seen = {}
def put(number):
    seen[number] = [[number, n] for n in range(3)]
'''
# A package that calls what it is given, by a path that changes with its version.
PLUGIN = 'def dispatch(function, *args):\n    return function(*args)\n'
PLUGIN_2 = 'def call(function, args):\n    function(*args)\ndef dispatch(function, *args):\n    return call(function, args)\n'
UNPACK = '''
#include <stdlib.h>
#include <string.h>
static __attribute__((noinline)) void *take(size_t n) { void *p = malloc(n); return p ? memset(p, 1, n) : p; }
int unpack(int n) { char *p = take((size_t)n); return p && p[n / 2]; }
'''


def project(folder, flags=(), strip=False, main=MAIN, store=STORE, package=PLUGIN):
    packages = os.path.join(folder, 'venv', 'lib', 'python3', 'site-packages')
    os.makedirs(packages)
    for path, text in ((os.path.join(folder, 'main.py'), main), (os.path.join(folder, 'store.py'), store),
                       (os.path.join(packages, 'plugin.py'), package), (os.path.join(folder, 'unpack.c'), UNPACK)):
        with open(path, 'w') as f:
            f.write(text)
    library = os.path.join(folder, 'libunpack.so')
    subprocess.check_call(['gcc', '-O2', '-fPIC', '-shared', *flags, '-o', library, os.path.join(folder, 'unpack.c')])
    if strip:
        subprocess.check_call(['strip', '-s', library])
    return folder


def fingerprints(python, folder):
    """Of the leak in Python and of the one in C."""
    env = {'PYTHONPATH': os.path.join(folder, 'venv', 'lib', 'python3', 'site-packages')}
    done = harness.run_traced([python.path, '-B', os.path.join(folder, 'main.py')], folder, env).check()
    found = harness.report('leaks', done.trace)['findings']
    assert len(found) == 2, [(f['verdict'], f['site'], f['bytes']) for f in found]
    inside, native = sorted(found, key=lambda f: 'store.py' not in str(f['stack']))
    assert inside['blame']['file'].endswith('store.py'), inside['blame']
    assert len({f['fingerprint'] for f in found}) == 2
    os.unlink(done.trace)
    return inside['fingerprint'], native['fingerprint']


def stem(fingerprint):
    return fingerprint[:-8]


def need_gcc():
    if not shutil.which('gcc') or not shutil.which('strip'):
        raise harness.Skip('needs gcc and strip')


@harness.spread(3)
def test_same_leak_elsewhere(python, tmp):
    need_gcc()
    here = fingerprints(python, project(os.path.join(tmp, 'here')))
    # deeper down, as another version of the package calls, with debug information, after edits elsewhere
    edited = '"""What it is."""\nlimit = 3\n\n\ndef helper():\n    return limit\n\n' + STORE
    moved = project(os.path.join(tmp, 'some', 'where', 'else'), ('-g',), store=edited, package=PLUGIN_2,
                    main=MAIN.replace('worker', 'runner'))
    assert fingerprints(python, moved) == here
    # who calls the caller has another name: only the stems stay
    renamed = fingerprints(python, project(os.path.join(tmp, 'renamed'), main=MAIN.replace('remember', 'keep')))
    assert renamed[0] != here[0] and list(map(stem, renamed)) == list(map(stem, here)), (renamed, here)
    # without any symbols the library's function has no name, or another one
    stripped = fingerprints(python, project(os.path.join(tmp, 'stripped'), strip=True))
    assert stripped[0] == here[0] and stem(stripped[1]) == stem(here[1]), (stripped, here)


@harness.spread(3)
def test_same_leak_on_another_python(python, tmp):
    """Qualified names came with 3.11: before, the halves that need them differ."""
    need_gcc()
    folder = project(os.path.join(tmp, 'here'))
    other = next(p for p in harness.PYTHONS if p is not python or len(harness.PYTHONS) == 1)
    mine, others = fingerprints(python, folder), fingerprints(other, folder)
    assert list(map(stem, mine)) == list(map(stem, others)), (mine, others)
    if (python.version >= (3, 11)) == (other.version >= (3, 11)):
        assert mine == others, (python.path, other.path)


CLASSES = '''
kept = []
class Shop:
    def add(self, number):
        kept.append(('%d' % number) * 40)
class Stock:
    def add(self, number):
        kept.append(('%d' % number) * 80)
def both(number):
    Shop().add(number); Stock().add(number)
for number in range(4000):
    both(number)
'''


@harness.spread(3)
def test_two_leaks_in_one_file(python, tmp):
    """Methods of one name are told apart by their classes, from 3.11 on."""
    path = os.path.join(tmp, 'classes.py')
    with open(path, 'w') as f:
        f.write(CLASSES)
    done = harness.run_traced([python.path, '-B', path], tmp).check()
    found = harness.report('leaks', done.trace)['findings']
    lines = {f['blame']['line'] for f in found}
    assert found and {f['verdict'] for f in found} == {'growth'}, found
    assert len({f['fingerprint'] for f in found}) == (len(lines) if python.version >= (3, 11) else 1), [
        (f['blame'], f['fingerprint']) for f in found]


@harness.spread(3)
def test_comprehension_in_a_module(python, tmp):
    """Where nothing but a comprehension and its module stand on the stack, these have a fingerprint, too, and the same one."""
    seen = []
    for n, text in enumerate(('kept = []\nfor n in range(4000):\n    kept.append([o for o in [n * 1000] * 20])\n',
                              'kept = []\nfor n in range(4000):\n    more = [n * 1000] * 20\n    kept.append(list(more))\n')):
        path = os.path.join(tmp, 'app.py')
        with open(path, 'w') as f:
            f.write(text)
        done = harness.run_traced([python.path, '-B', path], tmp).check()
        seen += [f['fingerprint'] for f in harness.report('leaks', done.trace)['findings'][:1]]
    assert len(seen) == 2 and seen[0] == seen[1] and not seen[0].endswith('0' * 8), seen
