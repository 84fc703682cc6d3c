"""A large document is parsed, and a few strings of it are kept (as feedparser #287).

verdict: fragmentation
needs: gil
"""
import json
import time

text = json.dumps([{"id": i, "title": "title %d" % i, "tags": ["a%d" % i, "b%d" % i], "n": i / 7} for i in range(60000)])


def titles_of(text):
    rows = json.loads(text)  # leak
    return [row["title"] for row in rows[::150]]


titles = titles_of(text)
del text
for turn in range(40):
    json.loads(json.dumps(titles))
    time.sleep(0.1)
