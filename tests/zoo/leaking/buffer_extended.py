"""A log is collected in one bytearray that nobody flushes.

verdict: growth
"""
import time

captured = bytearray()


def write(number):
    captured.extend(b"%d: a line of output, as long as they come\n" % number)  # leak


for number in range(30000):
    write(number)
    if number % 20 == 0:
        time.sleep(0.001)
