"""A pool of connections that rests at three; a burst late in the run takes it to its maximum, and it keeps them."""
import time


class Connection:
    def __init__(self):
        self.buffer = bytearray(16384)
        self.statements = {n: "select %d" % n for n in range(30)}


class Pool:
    def __init__(self, most):
        self.free, self.made, self.most = [], 0, most

    def take(self):
        if not self.free and self.made < self.most:
            self.made += 1
            return Connection()
        return self.free.pop()


pool = Pool(40)
for number in range(2000):
    wanted = 3 if number < 1400 else min(40, 3 + (number - 1400) // 5)
    used = [pool.take() for i in range(wanted)]
    [str(i) for i in range(10)]
    pool.free.extend(used)
    time.sleep(0.001)
