"""Much is read at the start, boiled down to a small table, and thrown away; then the program serves from the table. All of the
table was made after the rest was gone, so that the memory of the peak goes back."""
import time


def read(n):
    return [{"id": i, "name": "name %d" % i, "score": i * 0.5} for i in range(n)]


def boiled_down(n):
    rows = read(n)
    sums = [0] * 50
    for row in rows:
        sums[row["id"] % 50] += 1
    return sums


table = {i: "group %d has %d" % (i, n) for i, n in enumerate(boiled_down(150000))}
for request in range(1500):
    answer = " ".join(table[(request + k) % 50] for k in range(20))
    time.sleep(0.001)
