"""An executor makes threads as they are needed, up to sixteen: the load rises during the run."""
import concurrent.futures
import time


def job(number):
    time.sleep(0.02)
    return [str(i) for i in range(number % 40)]


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    for batch in range(75):
        for future in [pool.submit(job, n) for n in range(1 + batch // 4)]:
            future.result()
