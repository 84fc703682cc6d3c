"""Connections are made when all are in use, and kept: at most ten."""
import random
import time

random.seed(3)


class Connection:
    def __init__(self):
        self.buffer = bytearray(8192)
        self.statements = {}


free, made = [], 0
for number in range(2000):
    wanted = 1 + int(random.random() ** 3 * 10)
    used = []
    for i in range(wanted):
        used.append(free.pop() if free else Connection())
    for connection in used:
        connection.statements[number % 8] = "select %d" % (number % 8)
        free.append(connection)
    time.sleep(0.001)
