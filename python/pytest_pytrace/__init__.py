# SPDX-License-Identifier: Apache-2.0
"""pytest --pytrace: which tests leak memory, and on which line.

What:  options, marks, and the decision whether anything is to be done at all. Without --pytrace nothing else of this
       package is imported, and the marks do nothing.
How:   launch.py starts the session anew with libpytrace.so preloaded; session.py sets marks, and repeat.py repeats tests while
       gauge.py tells that they leave something; verdict.py asks `pytrace repeats` what the runs left behind, and judges; show.py writes it down.
"""
import importlib.machinery
import importlib.util
import re
import sys

import pytest

__all__ = ['Stack', 'StackFrame']

def import_builtin(name):
    """pytest looks for the packages of its plugins on disk, so it would find the one there that does nothing."""
    if name in sys.builtin_module_names and (name not in sys.modules or hasattr(sys.modules[name], '__file__')):
        spec = importlib.machinery.BuiltinImporter.find_spec(name)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


import_builtin('libpytrace')

UNITS = {'B': 1, 'K': 1 << 10, 'KB': 1 << 10, 'M': 1 << 20, 'MB': 1 << 20, 'G': 1 << 30, 'GB': 1 << 30,
         'T': 1 << 40, 'TB': 1 << 40, 'P': 1 << 50, 'PB': 1 << 50}

MARKERS = (
    'limit_leaks(location_limit, filter_fn=None, current_thread_only=False, warmups=None): with --pytrace, fail when a run '
    'of the test leaves more than that behind by any one call stack',
    'limit_memory(memory_limit, current_thread_only=False): with --pytrace, fail when the test has more than that allocated '
    'at any one time',
)


def parse_size(text):
    """'1.5 MB' in bytes: a number and B, KB, MB, GB, TB or PB, as pytest-memray has it (powers of 1024)."""
    found = re.match(r'^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$', str(text))
    unit = found and (found.group(2).upper().replace('IB', 'B') or 'B')
    if not found or unit not in UNITS:
        raise ValueError('invalid size: %r, expected a number and B, KB, MB, GB, TB or PB' % (text,))
    return int(float(found.group(1)) * UNITS[unit])


def parse_limit(text):
    """A size; None for 'none', '' where nobody said anything."""
    return '' if not str(text) else None if str(text).strip().lower() == 'none' else parse_size(text)


def parse_runs(text):
    """'3:4' as (3, 4): runs to warm up, and runs to judge; '0' repeats nothing."""
    found = re.match(r'^(\d+)(?::(\d+))?$', str(text).strip())
    if not found:
        raise ValueError('invalid runs: %r, expected WARMUPS:RUNS such as 3:4, or 0 to repeat nothing' % (text,))
    if found.group(2) is None:
        return (3, int(found.group(1))) if int(found.group(1)) else (0, 0)
    if not int(found.group(2)):
        raise ValueError('invalid runs: %r, one at least is to be judged' % (text,))
    return int(found.group(1)), int(found.group(2))


OPTIONS = (
    # name, how its text is read, default, metavar, help
    ('pytrace_runs', parse_runs, '3:4', 'WARMUPS:RUNS',
     'how often a suspicious test is repeated: first to warm up, then to be judged (3:4); 0: never'),
    ('pytrace_limit', parse_limit, '', 'BYTES',
     'what each run of a test may add before it fails (256 B, and nothing that is the same in every run); none: tell, but '
     'fail no test that has no mark'),
    ('pytrace_suspect', parse_size, '0 B', 'BYTES',
     "repeat only tests whose first run leaves that much behind, pytest's reports of some KB included (0: all, once at least)"),
    ('pytrace_seconds', float, '10', 'SECONDS', 'a test is not repeated for longer (10)'),
    ('pytrace_stacks', int, '5', 'N', 'lines of the stack that are shown of a leak (5)'),
    ('pytrace_path', str, '', 'DIR', 'keep the traces in this folder, for the commands of pytrace'),
)


def pytest_addoption(parser):
    group = parser.getgroup('pytrace', 'leaks of memory (pytrace)')
    group.addoption('--pytrace', action='store_true', default=False,
                    help='trace the memory of the session; repeat suspicious tests and tell which leak, and where')
    parser.addini('pytrace', 'as --pytrace', type='bool', default=False)
    for name, _, default, metavar, text in OPTIONS:
        group.addoption('--' + name.replace('_', '-'), default=None, metavar=metavar, help=text)
        parser.addini(name, text, default=default)


def setting(config, name):
    """An option's value, of the command line or else of the ini file. pytest.UsageError when it makes no sense."""
    read = next(row[1] for row in OPTIONS if row[0] == name)
    text = config.known_args_namespace.__dict__.get(name)
    text = config.getini(name) if text is None else text
    try:
        return read(text)
    except ValueError as wrong:
        raise pytest.UsageError('--%s: %s' % (name.replace('_', '-'), wrong))


def is_wanted(config):
    options = config.known_args_namespace
    if any(getattr(options, name, False) for name in ('help', 'version', 'collectonly', 'showfixtures', 'markers')):
        return False
    return getattr(options, 'pytrace', False) or config.getini('pytrace')


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config):
    """Before pytest captures any output and imports the project's code."""
    if is_wanted(early_config):
        from . import launch
        launch.ensure(early_config, setting(early_config, 'pytrace_path'))
    yield


def pytest_configure(config):
    for line in MARKERS:
        config.addinivalue_line('markers', line)
    if is_wanted(config):
        from . import launch, session
        session.register(config, launch.trace_folder())


def __getattr__(name):
    """What filter_fn is given; named here as pytest_memray names it."""
    if name in __all__:
        from . import verdict
        return getattr(verdict, name)
    raise AttributeError(name)
