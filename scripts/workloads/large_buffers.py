# SPDX-License-Identifier: Apache-2.0
"""Large buffers: bytes and bytearrays of 64 KiB to 16 MiB, grown, sliced, joined."""
import sys

total = 0
for number in range(int(sys.argv[1])):
    block = bytearray(64 << 10)
    for _ in range(6):
        block.extend(bytes(len(block)))
    parts = [bytes(block[start : start + (256 << 10)]) for start in range(0, len(block), 256 << 10)]
    total += len(b"".join(parts)) + len(bytes(16 << 20))
print(total)
