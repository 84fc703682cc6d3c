"""A pool of eight threads works on thousands of jobs."""
import concurrent.futures
import time


def job(number):
    return sum(len(str(i)) for i in range(number % 50))


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for batch in range(100):
        list(pool.map(job, range(40)))
        time.sleep(0.02)
