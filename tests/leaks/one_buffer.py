# SPDX-License-Identifier: Apache-2.0
"""One buffer that grows and grows."""
import io

text = io.BytesIO()


def write(i):
    text.write(b'line %06d ' % i * 60)  # leak
    return [str(x) for x in range(10)]


for i in range(3000):
    write(i)
