"""Large documents are parsed, and one string of each is kept (as feedparser #287).

verdict: fragmentation
"""
import json
import time

text = json.dumps([{"id": i, "title": "title %d" % i, "tags": ["a%d" % i, "b%d" % i], "n": i / 7} for i in range(30000)])
titles = []


def titles_of(rows):
    for row in rows[::150]:
        titles.append(row["title"].replace("title", "the title of number"))  # leak
        row["seen"] = [1]


for turn in range(3):
    rows = json.loads(text)
    titles_of(rows)
    more = [{"again": i} for i in range(20000)]
    titles_of([{"title": "title %d" % i} for i in range(300)])
    del rows, more
    time.sleep(0.3)
time.sleep(1.5)
