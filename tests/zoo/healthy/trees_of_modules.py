"""A compiler of a small language: files of different sizes become trees, names are interned, code is made; the end."""
import random
import sys

rnd = random.Random(21)


class Node:
    def __init__(self, kind, *kids):
        self.kind = kind
        self.kids = kids
        self.type = None


class Symbols:
    def __init__(self):
        self.by_name = {}

    def intern(self, name):
        return self.by_name.setdefault(name, (name, len(self.by_name)))


def tokens(n):
    for _ in range(n):
        yield rnd.choice(("name", "number")), "v%d" % int(rnd.expovariate(0.01))
        yield "op", rnd.choice("+-*/;")


def parse(stream, symbols):
    statements, left = [], None
    for kind, text in stream:
        if kind == "op":
            if text == ";":
                statements.append(left)
                left = None
            else:
                left = Node("binary", left, Node("op", text))
        else:
            leaf = Node(kind, symbols.intern(text))
            left = Node("binary", left, leaf) if left else leaf
    return Node("module", *statements)


def generate(node, out):
    if isinstance(node, Node):
        for kid in node.kids:
            generate(kid, out)
        out.append((node.kind, len(out)))


def main():
    symbols = Symbols()
    modules = {}
    for number in range(40):
        tree = parse(tokens(rnd.choice((50, 200, 500, 1500))), symbols)
        modules["m%d" % number] = tree
    size = 0
    for name, tree in modules.items():
        out = []
        generate(tree, out)
        size += len(out)
    print(len(symbols.by_name), size)


sys.setrecursionlimit(10000)
main()
