"""A WeakKeyDictionary whose values lead to their keys, so that none ever goes (sqlalchemy #13564).

verdict: growth
holder: _overlaps
"""
import time
import weakref

_overlaps = weakref.WeakKeyDictionary()


class Column:
    def __init__(self, table, name):
        self.table, self.name = table, name


class Table:
    def __init__(self, name, width):
        self.name = name
        self.columns = [Column(self, '%s_c%d' % (name, i)) for i in range(width)]  # leak

    def relate(self):
        for source, target in zip(self.columns, self.columns[1:]):
            if target not in _overlaps:
                _overlaps[target] = {}  # leak
            _overlaps[target][source.name] = source  # leak


def rebuild(n):
    table = Table('tenant_%d' % n, 8)
    table.relate()
    return sum(len(c.name) for c in table.columns)


def main():
    done = 0
    for n in range(1500):
        done += rebuild(n)
        time.sleep(0.0015)
    print(done)


main()
