"""Receive buffers that are never made smaller: each grows to the largest message that it has had so far, of 64 KiB at most."""
import random
import time

random.seed(12)
buffers = [bytearray(256) for i in range(24)]
for number in range(3000):
    buffer, size = buffers[random.randrange(24)], min(65536, int(200 * random.paretovariate(0.7)))
    if len(buffer) < size:
        buffer.extend(bytes(size - len(buffer)))
    buffer[:size] = b"m" * size
    time.sleep(0.0007)
