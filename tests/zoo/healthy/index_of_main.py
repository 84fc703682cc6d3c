"""main() builds an index as fast as it can, asks it something, and ends."""


class Index:
    def __init__(self):
        self.words = {}

    def add(self, number, text):
        for word in text.split():
            self.words.setdefault(word, []).append((number, len(word)))


def main():
    index = Index()
    for number in range(6000):
        index.add(number, "the page %d of many pages in group %d" % (number, number % 100))
    assert max(len(places) for places in index.words.values()) == 6000


main()
