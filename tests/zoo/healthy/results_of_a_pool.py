"""The results of a pool of threads are a list of main(), which is complete when the program ends."""
import concurrent.futures
import time


def fetch(number):
    time.sleep(0.003)
    return {"number": number, "text": "page %d" % number, "words": ("page %d of many" % number).split()}


def main():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(fetch, range(1200)))
    assert sum(len(page["words"]) for page in pages) == 4800


main()
