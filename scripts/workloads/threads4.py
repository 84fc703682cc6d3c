# SPDX-License-Identifier: Apache-2.0
"""Four threads: each makes rows, hands them to the next one over a queue, and drops those that it gets."""
import queue
import sys
import threading

THREADS = 4


def work(rounds, mine, next_one, sums, index):
    for number in range(rounds):
        next_one.put([{"key": "%d.%d" % (number, i), "value": i * 1.5} for i in range(100)])
        sums[index] += sum(len(row["key"]) for row in mine.get())


rounds = int(sys.argv[1])
queues = [queue.Queue(8) for _ in range(THREADS)]
sums = [0] * THREADS
threads = [
    threading.Thread(target=work, args=(rounds, queues[i], queues[(i + 1) % THREADS], sums, i)) for i in range(THREADS)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sums)
