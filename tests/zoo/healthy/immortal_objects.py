"""Small ints, single characters, None, True, empty containers: used millions of times, made once."""
import time

for number in range(1500):
    [i % 256 for i in range(200)]
    [chr(i % 128) for i in range(100)]
    [None, True, (), "", b"", frozenset()] * 20
    time.sleep(0.001)
