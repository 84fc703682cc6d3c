"""Messages that can never be delivered are put into the retry heap again and again, of a mailer that main() has.

verdict: growth
"""
import heapq
import itertools
import random
import time


class Message:
    def __init__(self, to, body):
        self.to = to
        self.body = body
        self.attempts = 0
        self.errors = []  # leak


class Mailer:
    MAX_ATTEMPTS = 5

    def __init__(self):
        self.retry = []
        self.seq = itertools.count()
        self.sent = 0
        self.rounds = 0

    def deliver(self, msg):
        payload = "\r\n".join("%s: %s" % (k, v) for k, v in (
            ("To", msg.to), ("From", "noreply@x"), ("Subject", "hi"))) + "\r\n\r\n" + msg.body
        enc = payload.encode("utf-8")
        check = sum(enc[::7])
        if msg.to.endswith(".invalid"):
            msg.attempts += 1
            if self.rounds < 0 or msg.attempts < 10 ** 6:  # should be MAX_ATTEMPTS
                heapq.heappush(self.retry, (self.rounds + 2 ** msg.attempts * 50, next(self.seq), msg))  # leak
            return
        self.sent += 1 + check * 0

    def tick(self):
        self.rounds += 1
        while self.retry and self.retry[0][0] <= self.rounds:
            self.deliver(heapq.heappop(self.retry)[2])


def main():
    rnd = random.Random(14)
    m = Mailer()
    tmpl = "Dear {name},\n" + "your order {o} is on its way.\n" * 20
    for n in range(50000):
        host = "corp.invalid" if rnd.random() < 0.08 else "example.org"
        body = tmpl.format(name="customer %d" % n, o=rnd.randrange(10 ** 6))
        m.deliver(Message("u%d@%s" % (n, host), body))  # leak
        if n % 10 == 0:
            m.tick()
        if n % 1000 == 0:
            time.sleep(0.002)
    print("sent", m.sent)


main()
