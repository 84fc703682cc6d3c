# SPDX-License-Identifier: Apache-2.0
"""Tests of other forms than functions; those that leak are named so."""
import asyncio
import os
import threading
import unittest

import pytest

import shop


@pytest.fixture(scope='session')
def whole():
    return [bytes(2000) for _ in range(100)]


@pytest.fixture(scope='class')
def of_the_class():
    return [bytes(2000) for _ in range(100)]


def test_first_of_the_session(whole):
    assert whole


class TestClass:
    def test_clean(self, of_the_class, whole):
        assert of_the_class

    def test_leaks(self, of_the_class):
        shop.add(1000)


class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def test_clean(self):
        await asyncio.sleep(0)

    async def test_leaks(self):
        await asyncio.sleep(0)
        shop.add(1200)


class TestParts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = [bytes(1000) for _ in range(100)]

    def test_clean(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertTrue(self.all)

    def test_leaks(self):
        for i in range(3):
            with self.subTest(i=i):
                shop.add(500)


def test_leaks_in_a_thread():
    thread = threading.Thread(target=shop.add, args=(2500,))
    thread.start()
    thread.join()


def test_forks():
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_cycle():
    cycle = []
    cycle.append(cycle)
