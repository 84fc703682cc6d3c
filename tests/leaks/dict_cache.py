# SPDX-License-Identifier: Apache-2.0
"""A cache under a key that never comes again."""
class Service:
    def __init__(self):
        self.seen = {}

    def handle(self, i):
        self.seen['key%d' % i] = {'id': i, 'payload': 'x' * 200}  # leak
        return sum(len(str(j)) for j in range(30))


service = Service()
for i in range(3000):
    service.handle(i)
