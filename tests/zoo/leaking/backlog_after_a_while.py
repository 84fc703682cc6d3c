"""The circuit breaker opens after 60 % of the run; from then on failed deliveries are queued and nobody drains the queue.

verdict: growth
"""
import collections
import json
import time


class Deliverer:
    def __init__(self):
        self.backlog = collections.deque()
        self.sent = 0
        self.down = False

    def deliver(self, n):
        message = {'id': n, 'to': 'user%d@example.org' % (n % 100), 'text': 'hello ' * 10}  # leak
        payload = json.dumps(message)  # leak
        if self.down:
            self.backlog.append((time.time(), payload))  # leak
        else:
            self.sent += len(json.loads(payload))


def main():
    deliverer = Deliverer()
    for n in range(3000):
        if n == 1800:
            deliverer.down = True
        deliverer.deliver(n)
        time.sleep(0.0008)
    print(deliverer.sent, len(deliverer.backlog))


main()
