"""A search index is rebuilt every few hundred documents, beside the old one, which goes when the new one is ready.

Live memory is a sawtooth of twice its height, and the run ends right after a rebuild.
"""
import time


class Index:
    def __init__(self, documents):
        self.words = {}
        for number, text in enumerate(documents):
            for word in text.split():
                self.words.setdefault(word, []).append(number)
            if number % 20 == 0:
                time.sleep(0.001)


documents = ["the document %d speaks of w%d and w%d" % (i, i % 400, i % 77) for i in range(1000)]
index = None
for rebuild in range(12):
    fresh = Index(documents)
    index = fresh
    for query in range(100):
        len(index.words.get("w%d" % query, ())) and sorted(index.words)[:3]
        time.sleep(0.0008)
