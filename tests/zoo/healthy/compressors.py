"""Compressors and digests: each has large buffers of its own in C, given back with the object."""
import bz2
import hashlib
import lzma
import time
import zlib

data = b"".join(b"line %d of the data\n" % i for i in range(60))
for number in range(120):
    assert zlib.decompress(zlib.compress(data, number % 9)) == data
    if number % 4 == 0:
        assert bz2.decompress(bz2.compress(data, 1)) == data
        assert lzma.decompress(lzma.compress(data, preset=0)) == data
    hashlib.sha256(data + b"%d" % number).hexdigest()
    [str(i) for i in range(30)]
    time.sleep(0.012)
