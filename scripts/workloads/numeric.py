# SPDX-License-Identifier: Apache-2.0
"""A numeric loop: floats and integers, hardly a block that lives."""
import sys

total = 0.0
checksum = 0
for number in range(1, int(sys.argv[1])):
    total += 1.0 / (number * number)
    checksum = (checksum * 31 + number) % 1000000007
print(round(total, 9), checksum)
