"""Combinations of eight flags: enum keeps each combination that was ever made, two hundred and fifty-six at most."""
import enum
import random
import time


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    DELETE = 4
    SHARE = 8
    INVITE = 16
    OWN = 32
    AUDIT = 64
    BILL = 128


random.seed(13)
rights = list(Right)
for number in range(1200):
    combined = Right(0)
    for right in random.sample(rights, random.randrange(8)):
        combined |= right
    assert not combined or combined & combined
    time.sleep(0.0015)
