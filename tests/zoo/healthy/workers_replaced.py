"""A pool that replaces its workers after a few tasks: processes and their queues come and go, results are awaited in order."""
import multiprocessing
import time


def work(number):
    time.sleep(0.005)
    return ["result %d.%d" % (number, i) for i in range(10)]


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=40) as pool:
        total = 0
        for result in pool.imap(work, range(560)):
            total += len(result)
        assert total == 5600
