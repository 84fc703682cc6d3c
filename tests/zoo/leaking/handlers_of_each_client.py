"""An SDK's client adds a NullHandler to the shared logger each time that one is made (paddle-python-sdk #144).

verdict: growth
holder: handlers
"""
import json
import logging
import time


class Client:
    def __init__(self, key, log=None):
        self.key = key
        self.log = log or self.null_logger()

    def null_logger(self):
        logger = logging.getLogger('null_logger')
        logger.addHandler(logging.NullHandler())  # leak
        return logger

    def pay(self, amount):
        self.log.info('pays %s', amount)
        return json.loads(json.dumps({'key': self.key, 'amount': amount, 'items': list(range(20))}))


def webhook(n):
    client = Client('key %d' % n)
    return client.pay(n * 3)['amount']


if __name__ == '__main__':
    total = 0
    for n in range(2500):
        total += webhook(n)
        time.sleep(0.001)
    print(total)
