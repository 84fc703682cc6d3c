"""Dynamic programming with tables made anew for each input; the inputs grow, so the last table is the largest."""
import random

rnd = random.Random(24)


def distance(a, b):
    table = {}
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if not i or not j:
                table[i, j] = i + j
            else:
                changed = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
                table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, changed)
    return table[len(a), len(b)], table


def main():
    best = None
    for n in range(10, 120, 4):
        a = "".join(rnd.choice("ab") for _ in range(n))
        b = "".join(rnd.choice("ab") for _ in range(n))
        value, table = distance(a, b)
        best = table
    print(value, len(best))


main()
