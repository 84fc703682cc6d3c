# SPDX-License-Identifier: Apache-2.0
"""interpreters: which Pythons there are on this machine, and what each one is."""
import glob
import json
import os
import re
import shutil
import subprocess

PROBE = r'''
import sys, sysconfig, json
v = sysconfig.get_config_var
print(json.dumps({
    'version': list(sys.version_info[:3]), 'implementation': sys.implementation.name,
    'hexversion': sys.hexversion, 'free_threaded': bool(v('Py_GIL_DISABLED')), 'debug': hasattr(sys, 'gettotalrefcount'),
    'shared': 'libpython' in open('/proc/self/maps').read(), 'prefix': sys.base_prefix, 'libdir': v('LIBDIR'),
    'ldlibrary': v('INSTSONAME') or v('LDLIBRARY'), 'include': sysconfig.get_path('include'),
    'executable': sys.executable}))
'''


class Interpreter:
    """One Python: `path` to start it, and facts."""

    def __init__(self, path, facts):
        self.path = path
        self.__dict__.update(facts)
        self.version = tuple(facts['version'])
        self.minor = self.version[:2]
        self.label = '.'.join(map(str, self.version)) + ('t' if self.free_threaded else '') + \
            ('d' if self.debug else '') + ('' if self.implementation == 'cpython' else '-' + self.implementation)

    def describe(self):
        return '%s (%s%s)' % (self.label, self.path, ', shared' if self.shared else ', static')

    def has(self, module):
        """Whether it can import a module."""
        return not subprocess.call([self.path, '-c', 'import ' + module], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def candidates():
    yield '/usr/bin/python3'
    for minor in range(8, 16):
        for suffix in ('', 't', 'd'):
            path = shutil.which('python3.%d%s' % (minor, suffix))
            if path and '/shims/' not in path:
                yield path
    folder = os.environ.get('PYTRACE_PYTHONS')  # of scripts/get-pythons
    if folder:
        yield from sorted(glob.glob(os.path.join(os.path.abspath(folder), '*', 'bin', 'python')))
    roots = {os.environ.get('PYENV_ROOT'), os.path.expanduser('~/.pyenv')} - {None}
    for root in sorted(roots):
        def key(path):
            return [int(n) for n in re.findall(r'\d+', path[len(root):])]
        yield from sorted(glob.glob(os.path.join(root, 'versions', '*', 'bin', 'python')), key=key)


def others():
    """{name: path} of those that are not CPython, None where there is none."""
    folder = os.environ.get('PYTRACE_PYTHONS', '')
    found = {}
    for name, command in ('pypy', 'pypy3'), ('micropython', 'micropython'), ('jython', 'jython'):
        path = os.path.join(os.path.abspath(folder), name, 'bin', 'python')
        found[name] = path if folder and os.path.exists(path) else shutil.which(command)
    return found


def probe(path):
    """An Interpreter, or a string that says why not. One that is not CPython is for tests/test_others.py: no Interpreter."""
    try:
        done = subprocess.run([path, '-I', '-c', PROBE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30,
                              stdin=subprocess.DEVNULL)
        facts = json.loads(done.stdout.decode())
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        return 'no CPython, or it cannot be started: %s' % exc
    if facts['implementation'] != 'cpython':
        return 'no CPython, only tests/test_others.py runs it'
    if tuple(facts['version'][:2]) < (3, 8):
        return 'older than 3.8'
    return Interpreter(path, facts)


def find(wanted=None):
    """(interpreters, [(what, why not)]). `wanted`: paths or versions; None: all that there are. A reason that starts
    with ! is an error: it was asked for by name."""
    found, missing, seen = [], [], set()
    for path in candidates() if not wanted or not all('/' in w for w in wanted) else wanted:
        real = os.path.realpath(path)
        if not os.path.exists(real) or real in seen:
            continue
        seen.add(real)
        p = probe(path)
        if isinstance(p, str):
            missing.append((path, p))
        else:
            found.append(p)
    tell_apart(found)
    if wanted:
        found, missing = narrow(found, wanted)
    return sorted(found, key=lambda p: (p.version, p.label)), missing


def tell_apart(found):
    """Of several builds of one version, the later ones get into their labels what differs, or a number."""
    labels = set()
    for p in found:
        names = [p.label, p.label + ('-shared' if p.shared else '-static')] + ['%s-%d' % (p.label, n) for n in range(2, 99)]
        p.label = next(n for n in names if n not in labels)
        labels.add(p.label)


def narrow(found, wanted):
    kept, missing = [], []
    for w in wanted:
        if '/' in w:
            known = [p for p in found if p.path == w] or [probe(w)]
        else:
            known = [p for p in found if p.label == w or p.label.startswith(w + '.')]
        known = [p for p in known if not isinstance(p, str)]
        kept += [p for p in known if p not in kept]
        if not known:
            missing.append((w, '!was asked for and is not there'))
    return kept, missing
