# SPDX-License-Identifier: Apache-2.0
"""Objects whose memory was overwritten, as a faulty extension might leave it, while a snapshot is taken; then mended."""
import collections
import ctypes
import gc
import json
import os
import signal
import sys
import time

gc.disable()
HEAD = object.__basicsize__
UNMAPPED = 0x10


class Kept:
    pass


def word(address):
    return ctypes.c_size_t.from_address(address)


queue, items, kept = collections.deque([[1], [2]]), [[3], [4], [5]], Kept()
kept.attribute = [queue, items]
no_type = bytearray(b'\x77' * 256)
data = id(items[1])
places = [word(id(queue) + HEAD + 8), word(word(id(items) + HEAD + 8).value + 8), word(data + HEAD - 8)]
before = [p.value for p in places]
said = {'queue': id(queue), 'items': id(items), 'kept': id(kept), 'attribute': id(kept.attribute), 'last': id(items[2]), 'odd': data}
spare = ctypes.addressof(ctypes.c_char.from_buffer(no_type)) + 63 & ~63
os.kill(os.getpid(), 0)
text = json.dumps(said)
places[0].value = UNMAPPED  # the deque's first block
places[1].value = UNMAPPED  # an item
places[2].value = spare     # the type of what was an item
os.kill(os.getpid(), signal.SIGUSR2)
for _ in range(200):
    time.sleep(0.001)
    [[] for _ in range(10)]
for p, value in zip(places, before):
    p.value = value
sys.stdout.write(text)
