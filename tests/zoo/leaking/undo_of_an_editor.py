"""An editor of a local of main() pushes each edit on an undo stack without a limit; it only computes.

verdict: growth
"""
import random


class Command:
    def __init__(self, para, before, after):
        self.para = para
        self.before = before
        self.after = after

    def undo(self, doc):
        doc.paras[self.para] = self.before


class Document:
    def __init__(self, paras):
        self.paras = paras
        self.undo_stack = []
        self.redo_stack = []

    def edit(self, i, text):
        cmd = Command(i, self.paras[i], text)
        self.paras[i] = text
        self.undo_stack.append(cmd)  # leak
        self.redo_stack.clear()

    def undo(self):
        cmd = self.undo_stack.pop()
        cmd.undo(self)
        self.redo_stack.append(cmd)


def layout(text, width):
    lines, cur = [], ""
    for w in text.split():
        if len(cur) + len(w) + 1 > width:
            lines.append(cur)
            cur = w
        else:
            cur = cur + " " + w if cur else w
    lines.append(cur)
    return lines


def main():
    rnd = random.Random(13)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    doc = Document([" ".join(rnd.choice(words) for _ in range(100)) for _ in range(40)])
    height = 0
    for n in range(7000):
        i = rnd.randrange(40)
        p = doc.paras[i].split()
        p[rnd.randrange(len(p))] = rnd.choice(words)
        doc.edit(i, " ".join(p))  # leak
        for w in (40, 60, 80):
            height += len(layout(doc.paras[i], w))
        if n % 20 == 0:
            doc.undo()
    print("height", height)


main()
