"""A table is read line by line, which makes nearly all blocks there are, and is what the program is for."""
import io

lines = io.StringIO("".join("%d,%d,%d\n" % (n, n * 7, n * 13) for n in range(60000)))
table = []


def load():
    for line in lines:
        table.append([int(word) + 1000 for word in line.split(",")])


load()
assert sum(row[1] for row in table) > 0
