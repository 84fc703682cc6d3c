# SPDX-License-Identifier: Apache-2.0
"""A project's tests; those that leak are named so."""
import itertools
import logging
import sys
import unittest
import warnings

import pytest

import shop

number = itertools.count()
EMPTY = sys.getsizeof(b'')


def test_clean():
    assert sum(range(1000))


def test_leaks():
    for _ in range(5):
        shop.add(2000)


def test_cache_fills():
    for i in range(10):
        shop.page(i)


def test_cache_has_a_bound():
    shop.price(next(number))


def test_replaces():
    shop.replace()


def test_imports():
    import xml.dom.minidom  # noqa: F401


def test_warns():
    warnings.warn('number %d %s' % (next(number), 'x' * 2000))


def test_logs_and_prints(caplog, capsys):
    logging.getLogger('shop').warning('y' * 3000)
    print('z' * 5000)


def test_files(tmp_path):
    (tmp_path / 'file').write_text('x' * 1000)


def test_patches(monkeypatch):
    monkeypatch.setattr(shop, 'LAST', [bytes(5000)])


@pytest.fixture(scope='module')
def stock():
    return [bytes(1000) for _ in range(100)]


def test_of_a_wider_fixture(stock):
    assert len(stock) == 100


@pytest.fixture
def forgetful():
    shop.add(3000)
    yield
    assert shop.ITEMS


def test_leaks_in_its_fixture(forgetful):
    pass


@pytest.mark.parametrize('n', [0, 4000])
def test_parameter(n):
    if n:
        shop.add(n)


class TestOfUnittest(unittest.TestCase):
    def setUp(self):
        self.all = [bytes(1000) for _ in range(10)]

    def test_clean(self):
        self.assertEqual(len(self.all), 10)

    def test_leaks(self):
        shop.add(1500)


@pytest.mark.limit_leaks('%d B' % (EMPTY + 5000))
def test_within_its_limit():
    shop.keep(next(number), 5000)


@pytest.mark.limit_leaks('%d B' % (EMPTY + 4999))
def test_leaks_one_byte_more():
    shop.keep(next(number), 5000)


@pytest.mark.limit_leaks('1 KB', filter_fn=lambda stack: stack.frames[0].function != 'keep')
def test_is_excused():
    shop.keep(next(number), 5000)


@pytest.mark.limit_memory('1 MB')
def test_within_its_memory():
    bytes((1 << 20) - 20000)


@pytest.mark.limit_memory('1 MB')
def test_of_too_much_memory():
    bytes(1 << 20)


@pytest.mark.xfail
def test_of_old():
    shop.add(1000)
    assert False


def test_skips():
    pytest.skip('not today')


def test_fails():
    shop.add(5000)
    assert False


def test_only_once():
    """Leaves much behind, and does not pass again: nobody knows whether it leaks."""
    assert not hasattr(shop, 'once')
    shop.once = bytes(100000)
