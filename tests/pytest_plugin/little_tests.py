# SPDX-License-Identifier: Apache-2.0
"""Tests that leave one or two small objects a run, or nothing for all that; those that leak are named so."""
import ctypes
import itertools
import re
import weakref

import pytest

number = itertools.count()
kept, slots = [], {}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]


class Thing:
    pass


def test_leaks_a_float():
    kept.append(next(number) + 0.5)


def test_leaks_a_weak_reference():
    kept.append(weakref.ref(Thing()))


def test_leaks_40_bytes_of_c():
    libc.malloc(40)


def test_leaks_a_reference():
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(Thing()))


@pytest.fixture
def thing():
    yield
    kept.append(Thing())


def test_leaks_by_its_fixture(thing):
    pass


def test_of_an_exception():
    """Frames that it passes get objects, which live as long as their calls: those of pytest, too."""
    with pytest.raises(ValueError) as caught:
        int('many')
    assert caught.traceback


def test_keeps_three():
    slots[next(number) % 3] = Thing()


def test_of_a_pattern():
    """A cache of the standard library that has a bound."""
    re.compile('a{%d}' % next(number))
