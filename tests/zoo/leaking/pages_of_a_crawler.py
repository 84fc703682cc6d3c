"""A worker of multiprocessing remembers each page that it parsed, in an object of its function.

verdict: growth
"""
import multiprocessing
import random
import re

LINK = re.compile(r'href="([^"]+)"')


class Crawler:
    def __init__(self, seed):
        self.rnd = random.Random(seed)
        self.visited = {}

    def fetch(self, url):
        r = self.rnd
        return "".join('<a href="/p/%d">%s</a>\n' % (r.randrange(10 ** 6), "text " * 5) for _ in range(160))

    def visit(self, url):
        html = self.fetch(url)
        links = LINK.findall(html)
        page = {"url": url, "links": links[:20], "title": html[:30]}  # leak
        self.visited[url] = page  # leak
        return links[0]


def worker(inq, outq):
    crawler = Crawler(31)
    done = 0
    while True:
        job = inq.get()
        if job is None:
            break
        url = job
        for _ in range(100):
            url = crawler.visit(url)
            done += 1
    outq.put(done)


def main():
    ctx = multiprocessing.get_context("fork")
    inq, outq = ctx.SimpleQueue(), ctx.SimpleQueue()
    p = ctx.Process(target=worker, args=(inq, outq))
    p.start()
    for n in range(40):
        inq.put("/start/%d" % n)
    inq.put(None)
    print("visited", outq.get())
    p.join()
    raise SystemExit(p.exitcode)


if __name__ == "__main__":
    main()
