# SPDX-License-Identifier: Apache-2.0
"""launch: the session once more, with libpytrace.so preloaded

What:  finds the library and the program `pytrace`; replaces this process, before it has done anything, by the same
       command line with LD_PRELOAD set. Workers of xdist inherit it.
Where: PYTRACE_LIBRARY and PYTEST_PYTRACE_COMMAND, when they are set; else `pytrace` on PATH and the library beside it.
"""
import os
import shutil
import sys
import tempfile

import pytest

GUARD = 'PYTEST_PYTRACE'  # in the environment: "PID FOLDER KEEP" of the process that replaced itself
BESIDE_COMMAND = ('../preload/libpytrace.so', '../lib/libpytrace.so', '../lib64/libpytrace.so',
                  '../lib/x86_64-linux-gnu/libpytrace.so', '../lib/aarch64-linux-gnu/libpytrace.so')
BESIDE_LIBRARY = ('../analyzer/pytrace', '../bin/pytrace', '../../bin/pytrace')
PLACES = ('/usr/local/bin/pytrace', '/usr/bin/pytrace')
ADVICE = 'put the folder of `pytrace` on PATH (scripts/quickstart builds it), or set PYTRACE_LIBRARY to libpytrace.so'


def beside(path, names):
    folder = os.path.dirname(os.path.realpath(path))
    return next((p for p in (os.path.normpath(os.path.join(folder, n)) for n in names) if os.path.exists(p)), None)


def find():
    """(library, command); either may be None."""
    library = os.environ.get('PYTRACE_LIBRARY') or None
    command = os.environ.get('PYTEST_PYTRACE_COMMAND') or (library and beside(library, BESIDE_LIBRARY)) or \
        shutil.which('pytrace') or next((p for p in PLACES if os.path.exists(p)), None)
    library = library or (command and beside(command, BESIDE_COMMAND))
    return library, command


def find_checked():
    library, command = find()
    if not command or not os.access(command, os.X_OK):
        raise pytest.UsageError('--pytrace: the program pytrace is not found (%s): %s' % (command or 'not on PATH', ADVICE))
    if not library or not os.path.exists(library):
        raise pytest.UsageError('--pytrace: libpytrace.so is not found (%s): %s' % (library or 'not beside ' + command, ADVICE))
    library = os.path.abspath(library)
    if ' ' in library or ':' in library:
        raise pytest.UsageError('--pytrace: the linker cannot preload a path with a space or a colon: %s' % library)
    return library, command


def is_traced():
    if 'libpytrace' not in sys.builtin_module_names:
        return False
    import libpytrace
    return libpytrace.stats()['mode'] != 'off'


def is_worker():
    """Of xdist: it talks to its controller through its standard input and output."""
    return 'PYTEST_XDIST_WORKER' in os.environ


def environment(library, folder, keep):
    env = dict(os.environ)
    env['LD_PRELOAD'] = ':'.join([library] + [p for p in [env.get('LD_PRELOAD')] if p])
    env.setdefault('PYTRACE_OUTPUT', os.path.join(folder.replace('%', '%%'), '%n.%p.pytrace'))
    env.setdefault('PYTRACE_SNAPSHOT', 'call')
    if not keep:
        env.setdefault('PYTRACE_START', '0')  # session.py starts and stops
    # Blocks that the C library keeps at hand count as allocated: gauge.py would not see what is taken from there.
    env['GLIBC_TUNABLES'] = ':'.join([p for p in [env.get('GLIBC_TUNABLES')] if p] + ['glibc.malloc.tcache_count=0'])
    env[GUARD] = '%d %d %s' % (os.getpid(), keep, folder)
    return env


def own_arguments():
    with open('/proc/self/cmdline', 'rb') as f:
        return f.read().split(b'\0')[:-1]


def ensure(config, path):
    """Returns in a traced process, or in a worker, or not at all. pytest.UsageError when that can't be."""
    if is_traced():
        find_checked()
        return
    if is_worker():
        return
    library, command = find_checked()
    if os.environ.get(GUARD, '').split(' ')[0] == str(os.getpid()):
        before, is_temporary = trace_folder()
        if is_temporary:
            shutil.rmtree(before, ignore_errors=True)
        raise pytest.UsageError('--pytrace: %s was preloaded, but this Python is not recorded (%s); PYTRACE_MODE and '
                                'PYTRACE_PROGRAMS can turn it off' % (library, sys.version.split('\n')[0]))
    if sys.implementation.name != 'cpython' or not sys.executable:
        raise pytest.UsageError('--pytrace: only CPython can be traced test by test, not %s' % sys.implementation.name)
    folder = os.path.abspath(path) if path else tempfile.mkdtemp(prefix='pytest-pytrace-')
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as wrong:
        raise pytest.UsageError('--pytrace-path: %s' % wrong)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, own_arguments(), environment(library, folder, bool(path)))


def trace_folder():
    """(folder, whether it is ours to remove), of a session that replaced itself; else (None, False)."""
    pid, _, rest = os.environ.get(GUARD, '').partition(' ')
    keep, _, folder = rest.partition(' ')
    return folder or None, bool(folder) and keep == '0' and pid == str(os.getpid())
