# SPDX-License-Identifier: Apache-2.0
"""venvs: virtual environments with pytest and our plugin, made once for a build folder; they need pip and a network"""
import fcntl
import hashlib
import os
import shutil
import subprocess

import harness

PACKAGE = os.path.join(harness.TOP, 'python')


def digest(text):
    return hashlib.sha1(text.encode()).hexdigest()[:16]


def package_digest():
    """Changes with the plugin, which is then installed anew."""
    text = ''
    for folder, _, names in sorted(os.walk(PACKAGE)):
        for name in sorted(names):
            if name.endswith(('.py', '.toml', '.pyi', '.md')):
                with open(os.path.join(folder, name), 'rb') as f:
                    text += name + hashlib.sha1(f.read()).hexdigest()
    return digest(text)


def call(argv):
    done = subprocess.run(argv, env=harness.clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    said = done.stdout.decode('utf-8', 'replace').strip().split('\n')
    return None if not done.returncode else said[-1]


def pip(folder, *args):
    return call([os.path.join(folder, 'bin', 'python'), '-m', 'pip', '--disable-pip-version-check', 'install', '-q'] + list(args))


def make(folder, python, requirements):
    """Why it can't be had, or None."""
    said = call([python.path, '-m', 'venv', '--clear', folder])
    if said:
        return '%s makes no venv: %s' % (python.path, said)
    said = pip(folder, '-U', 'setuptools', 'wheel', *requirements)
    return said and 'pip gets no pytest here: %s' % said


def install(folder):
    """The plugin, from a copy: setuptools writes beside what it builds."""
    copy = os.path.join(folder, 'package')
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(PACKAGE, copy)
    said = pip(folder, '--no-build-isolation', '--no-deps', '--force-reinstall', copy)
    assert said is None, 'pip install ./python: %s' % said


def once(path, value, make_it):
    """What `make_it` said when it was called last with this value; it is called when the value is new."""
    if os.path.exists(path):
        with open(path) as f:
            before, _, said = f.read().partition('\n')
        if before == value:
            return said or None
    said = make_it()
    with open(path, 'w') as f:
        f.write(value + '\n' + (said or ''))
    return said


def venv(python, *requirements):
    """The path of its python. A skip where it can't be had."""
    name = digest('\n'.join((python.path,) + requirements))
    folder = os.path.join(harness.BUILD, 'tests', 'venvs', name)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + '.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = once(folder + '.made', name, lambda: make(folder, python, requirements))
        if said:
            raise harness.Skip(said)
        once(folder + '.installed', package_digest(), lambda: install(folder))
    return os.path.join(folder, 'bin', 'python')
