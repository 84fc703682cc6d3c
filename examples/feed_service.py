#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small web service with a leak, to try pytrace on.

It serves articles over HTTP, remembers sessions (at most MAX_SESSIONS of them: healthy), counts hits (one number per
article: healthy) and caches rendered pages. The pages are cached under the whole URL, and every link that a newsletter
sends out carries another tracking id: so each visit adds a page that nobody will ever ask for again.

Usage: feed_service.py [REQUESTS]     (default 3000; the service talks to itself and stops when all are answered)
"""
import collections
import http.client
import http.server
import json
import sys
import threading
import urllib.parse

MAX_SESSIONS = 100
ARTICLES = ["garden", "kitchen", "travel", "cinema", "weather", "science", "letters"]
PAGE = "<!doctype html><title>{title}</title><h1>{title}</h1><p>{text}</p><p>Read {hits} times.</p>"
TEXT = {name: "All about the {0}. ".format(name) * 200 for name in ARTICLES}


class Sessions:
    """The last MAX_SESSIONS visitors; who was away longest is forgotten."""

    def __init__(self):
        self.visitors = collections.OrderedDict()

    def visit(self, visitor):
        record = self.visitors.pop(visitor, None) or {"visitor": visitor, "pages": 0}
        record["pages"] += 1
        self.visitors[visitor] = record
        if len(self.visitors) > MAX_SESSIONS:
            self.visitors.popitem(last=False)
        return record


class Pages:
    """Rendered pages. The key should be the article; it is the URL with its tracking id."""

    def __init__(self):
        self.cache = {}
        self.hits = collections.Counter()

    def get(self, url):
        page = self.cache.get(url)
        if page is None:
            title = urllib.parse.urlsplit(url).path.strip("/")
            self.hits[title] += 1
            page = PAGE.format(title=title, text=TEXT[title], hits=self.hits[title])
            self.cache[url] = page = page.encode("utf-8")  # the planted leak
        return page


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet per answer
    sessions = Sessions()
    pages = Pages()

    def do_GET(self):
        if self.path == "/status":
            body = json.dumps({"cached": len(self.pages.cache), "sessions": len(self.sessions.visitors)}).encode()
        else:
            self.sessions.visit(self.headers.get("X-Visitor", "nobody"))
            body = self.pages.get(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def read_everything(port, requests):
    """The visitors: each request comes from a newsletter and has an id of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(requests):
        url = "/{0}?utm_id={1:08d}".format(ARTICLES[number % len(ARTICLES)], number)
        connection.request("GET", url, headers={"X-Visitor": "visitor-{0}".format(number % 250)})
        connection.getresponse().read()
    connection.request("GET", "/status")
    status = json.loads(connection.getresponse().read())
    connection.close()
    return status


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = threading.Thread(target=server.serve_forever, daemon=True)
    service.start()
    status = read_everything(server.server_port, requests)
    server.shutdown()
    server.server_close()
    print("{0} requests answered, {cached} pages cached, {sessions} sessions kept".format(requests, **status))


if __name__ == "__main__":
    main()
