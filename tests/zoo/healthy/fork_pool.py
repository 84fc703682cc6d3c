"""A pool of forked workers, and results that come back."""
import multiprocessing
import time


def work(number):
    time.sleep(0.004)
    return {"number": number, "square": number * number}


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        for batch in range(25):
            assert len(pool.map(work, range(40))) == 40
