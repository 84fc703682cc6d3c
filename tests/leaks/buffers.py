# SPDX-License-Identifier: Apache-2.0
"""Buffers of C memory, kept in a list."""
buffers = []


def read(i):
    buffer = bytearray(4096)  # leak
    buffers.append(buffer)
    return buffer.hex()


for i in range(1500):
    read(i)
