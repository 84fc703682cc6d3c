"""A cache of weak references beside one of strong ones: only the strong one grows."""
import time
import weakref


class Page:
    __slots__ = 'text', '__weakref__'

    def __init__(self, text):
        self.text = text


strong, weak = {}, weakref.WeakValueDictionary()


def keep_strong(number):
    strong[number] = 'strong %d ' % number + 's' * 1500  # line of the leak


def keep_weak(number):
    page = Page('weak %d ' % number + 'w' * 1500)  # nothing stays
    weak[number] = page


for i in range(2000):
    keep_strong(i)
    keep_weak(i)
    if i % 50 == 0:
        time.sleep(0.005)
