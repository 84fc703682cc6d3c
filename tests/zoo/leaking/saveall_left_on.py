"""gc.DEBUG_SAVEALL was left on: each collected cycle goes into gc.garbage, whose table is no finding of its own.

verdict: cycle-uncollectable
"""
import gc
import random


class Peer:
    def __init__(self, name):
        self.name = name
        self.other = None
        self.queue = []  # leak


def connect(n):
    a = Peer("client-%d" % n)  # leak
    b = Peer("server-%d" % n)  # leak
    a.other, b.other = b, a  # leak
    return a


def talk(a, rnd):
    t = 0
    for _ in range(20):
        msg = {"id": rnd.randrange(10 ** 6), "text": "hello " * 5}
        a.other.queue.append(msg)
        t += len(str(msg))
    a.other.queue.clear()
    return t


def main():
    gc.set_debug(gc.DEBUG_SAVEALL)  # leak
    rnd = random.Random(51)
    t = 0
    for n in range(3000):
        peer = connect(n)
        t += talk(peer, rnd)
        if n % 500 == 0:
            gc.collect()
        if n % 4:
            peer.other.other = None   # orderly shutdown
            peer.other = None
    print("bytes", t)


main()
