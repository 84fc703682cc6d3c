"""Row types by the columns of a query: forty queries, each with its namedtuple, which is made once and kept."""
import collections
import time

types = {}


def row_type(columns):
    if columns not in types:
        types[columns] = collections.namedtuple("Row", columns)
    return types[columns]


for number in range(2000):
    query = min(number // 30, 39)
    columns = tuple("column_%d" % i for i in range(query % 8 + 1)) + ("query_%d" % query,)
    [row_type(columns)(*range(len(columns))) for i in range(5)]
    time.sleep(0.001)
