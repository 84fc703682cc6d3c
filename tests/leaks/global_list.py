# SPDX-License-Identifier: Apache-2.0
"""The forgotten global: every request is remembered."""
log = []


def request(i):
    data = bytearray(500)
    log.append((i, 'request %d' % i))  # leak
    return len(data)


for i in range(4000):
    request(i)
