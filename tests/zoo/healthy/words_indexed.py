"""A command that reads documents, builds an inverted index, prints the top words and ends."""
import random
import re

rnd = random.Random(1)
VOCABULARY = ["".join(rnd.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rnd.randint(3, 9))) for _ in range(5000)]


def documents(n):
    for number in range(n):
        size = rnd.randint(50, 400)
        yield number, " ".join(VOCABULARY[min(int(rnd.paretovariate(0.6)), 5000) - 1] for _ in range(size))


def build(docs):
    index = {}
    for number, text in docs:
        for word in re.findall(r"\w+", text):
            index.setdefault(word, set()).add(number)
    return index


def main():
    index = build(documents(800))
    top = sorted(index, key=lambda w: -len(index[w]))[:10]
    for word in top:
        print(word, len(index[word]))


if __name__ == "__main__":
    main()
