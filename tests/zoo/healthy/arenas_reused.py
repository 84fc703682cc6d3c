"""Phases of blocks of different sizes: the interpreter's arenas are filled, emptied and filled again with other sizes."""
import time

for phase in range(40):
    size = 16 + phase * 48 % 480
    blocks = [bytes(size) for i in range(1500)]
    time.sleep(0.03)
    del blocks[::2]
    more = [(i, phase) for i in range(500)]
    time.sleep(0.02)
    del blocks, more
