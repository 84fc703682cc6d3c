"""A cache of weak references, and objects that live for a while."""
import collections
import time
import weakref


class Image:
    def __init__(self, number):
        self.pixels = bytearray(300 + number % 50)


cache = weakref.WeakValueDictionary()
in_use = collections.deque(maxlen=30)
for number in range(2500):
    image = Image(number)
    cache[number] = image
    in_use.append(image)
    time.sleep(0.0008)
