"""First a small working set, then (after a switch of mode) a larger one, whose entries are replaced all the time."""
import hashlib
import random
import time

rnd = random.Random(3)


class Table:
    def __init__(self, slots):
        self.slots = {}
        self.limit = slots

    def put(self, key, value):
        self.slots[key % self.limit] = {"key": key, "value": value, "sum": hashlib.md5(value).hexdigest()}


def work(table, rounds):
    for n in range(rounds):
        key = rnd.randrange(1 << 30)
        table.put(key, b"%d" % key * 4)
        if n % 5000 == 0:
            time.sleep(0.01)


def main():
    table = Table(300)
    work(table, 20000)
    table = Table(3000)
    work(table, 45000)
    print(len(table.slots))


main()
