"""A soak test keeps a mock in place of the mail gateway: it records every call with its arguments.

verdict: growth
"""
import time
from unittest import mock


class Orders:
    def __init__(self, gateway):
        self.gateway = gateway
        self.count = 0

    def order(self, n):
        self.count += 1
        self.gateway.send('user%d@example.org' % n, subject='Order %d' % n, lines=['item %d' % i for i in range(5)])  # leak


def main():
    orders = Orders(mock.Mock())
    for n in range(1500):
        orders.order(n)
        time.sleep(0.001)
    print(orders.count)


main()
