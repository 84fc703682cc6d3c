# SPDX-License-Identifier: Apache-2.0
"""A gallery that makes thumbnails with a library in C. Some uploads are no pictures; the library forgets memory for each.

    python3 examples/gallery.py LIBRARY      LIBRARY: thumbnail.c, compiled
"""
import ctypes
import sys
import time

library = ctypes.CDLL(sys.argv[1])
library.thumbnail.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def uploads(count):
    for number in range(count):
        yield (b"PIC" if number % 3 else b"???") + bytes([number % 251]) * 600


class Gallery:
    def __init__(self):
        self.shown = 0

    def add(self, data):
        if library.thumbnail(data, len(data)) >= 0:
            self.shown += 1


def main():
    gallery = Gallery()
    for data in uploads(6000):
        gallery.add(data)
        time.sleep(0.0001)
    print(gallery.shown, "pictures")


if __name__ == "__main__":
    main()
