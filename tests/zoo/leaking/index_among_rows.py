"""Imports of large files leave an index entry here and there among what was parsed, so no arena goes back.

verdict: fragmentation
"""
import time


class Index:
    def __init__(self):
        self.entries = {}

    def load(self, batch):
        rows = []
        for i in range(300000):
            row = ('row', batch * 300000 + i, float(i) + 0.5)
            rows.append(row)
            if i % 200 == 0:
                self.entries[batch % 2, i] = 'k%d.%d' % (batch % 2, i) + 'x' * 40  # leak
        return sum(r[2] for r in rows)


def main():
    index, total = Index(), 0
    for batch in range(2):
        total += index.load(batch)
        time.sleep(0.1)
    for n in range(1000):
        len(index.entries)
        time.sleep(0.001)
    print(total)


main()
