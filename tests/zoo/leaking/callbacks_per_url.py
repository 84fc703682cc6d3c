"""Callbacks are called, but the list of their URL is not cleared: many small lists in a dict of main().

verdict: growth
"""
import random


def make_loader():
    cache = {}

    def load(url):
        if url not in cache:
            if len(cache) >= 64:
                cache.pop(next(iter(cache)))
            cache[url] = "".join(chr(97 + (len(url) * i) % 26) for i in range(400))
        return cache[url]
    return load


def make_page(n, rnd):
    return {"n": n, "blocks": ["block %d.%d" % (n, i) for i in range(6)], "seen": 0}  # leak


def attach(callbacks, url, page, options):
    def on_done(text):
        page["seen"] += text.count(options["needle"])
    callbacks.setdefault(url, []).append(on_done)  # leak


def main():
    rnd = random.Random(30)
    callbacks = {}
    load = make_loader()
    total = 0
    for n in range(16000):
        page = make_page(n, rnd)  # leak
        url = "http://cdn/%d.js" % rnd.randrange(90)
        attach(callbacks, url, page, {"needle": "abc"[n % 3], "retries": 3})
        text = load(url)
        for cb in callbacks[url][-4:]:
            cb(text)
        html = []
        for b in range(60):
            html.append("<div id='%d'>%s</div>" % (b, page["blocks"][b % 6]))
        total += len("\n".join(html)) + page["seen"]
    print("total", total)


main()
