# SPDX-License-Identifier: Apache-2.0
"""What a program may ask of pytrace, which does not trace it: these functions do nothing.

Where libpytrace.so is preloaded, the built-in module of this name is imported in its place; also when a finder in front
of that for built-in modules found this file (pytest's, which rewrites the assertions of a plugin's distribution, does).
"""
import sys as _sys

__version__ = '0.1.0'

if 'libpytrace' in _sys.builtin_module_names and __name__ == 'libpytrace':
    import importlib.machinery as _machinery
    import importlib.util as _util
    _spec = _machinery.BuiltinImporter.find_spec('libpytrace')
    _sys.modules[__name__] = _util.module_from_spec(_spec)
    _spec.loader.exec_module(_sys.modules[__name__])


def _label(function, label, optional=False):
    if not isinstance(label, str) and not (optional and label is None):
        raise TypeError("%s() argument 'label' must be str%s, not %s" % (
            function, ' or None' if optional else '', type(label).__name__))


def mark(label):
    """Set a mark: a label at this moment, in this thread, in the trace."""
    _label('mark', label)


def snapshot(label=None):
    """Take a snapshot of all Python objects and who refers to whom. Here: None."""
    _label('snapshot', label, optional=True)


def watch(object):
    """Record every change of an object's reference count from here on, with its stack. Here: False."""
    return False


def start():
    """Record from here on: after stop(), or where PYTRACE_START=0 began without. Here: False."""
    return False


def stop():
    """Record nothing new from here on, at next to no cost, until start(). Here: False."""
    return False


def flush():
    """Return when what was recorded so far can be read in the file, snapshots included."""


def stats():
    """Return what the tracer knows of itself, as a dict."""
    return {'mode': 'off', 'recording': False, 'stopped': False, 'file': None, 'file_bytes': 0, 'events': 0, 'lost': 0, 'snapshots': 0,
            'watched': 0, 'watch_off': 'libpytrace.so is not preloaded'}


class region:
    """A part of the program that reports can be limited to. A context manager, and a decorator."""
    __slots__ = ('_label',)

    def __init__(self, label):
        _label('region', label)
        self._label = label

    @property
    def label(self):
        """What it is called."""
        return self._label

    def __repr__(self):
        return 'libpytrace.region(%r)' % self._label

    def __enter__(self):
        """Enter the region, in this thread and task."""
        return self

    def __exit__(self, *exception):
        """Leave the region."""

    def __call__(self, function):
        """Return a function that does the same in this region. Here: the function."""
        if not callable(function):
            raise TypeError('libpytrace.region decorates functions, not %s' % type(function).__name__)
        return function
