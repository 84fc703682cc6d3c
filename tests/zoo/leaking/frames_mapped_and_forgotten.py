"""C code maps a buffer for each frame and forgets to unmap it when the frame is bad.

verdict: native-unreachable
c: _ring.c
"""
import ctypes
import os
import time

lib = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), '_ring.so'))


class Camera:
    def __init__(self):
        self.bad = 0

    def frame(self, n):
        data = bytes((n * i) % 251 for i in range(300))
        if lib.ring_frame(data, len(data)) < 0:
            self.bad += 1


def main():
    camera = Camera()
    for n in range(2000):
        camera.frame(n)
        time.sleep(0.001)
    print(camera.bad)


main()
