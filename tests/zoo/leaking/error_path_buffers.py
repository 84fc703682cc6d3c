"""The error path of an extension forgets a struct and its buffer: lost directly and indirectly (as pygame #1612, gh-133597).

verdict: native-unreachable
c: _image.c
"""
import time

import _image

for number in range(2000):
    try:
        _image.size_of(b"x" * (300 + number % 200))
    except ValueError:
        pass
    time.sleep(0.0008)
