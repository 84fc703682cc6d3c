"""gc.freeze() at each reload, as in a pre-fork server; the trees of parents and children that were garbage then stay.

verdict: cycle-garbage
"""
import gc
import time


class Node:
    def __init__(self, tag, parent):
        self.tag, self.parent, self.children = tag, parent, []
        self.text = 'text of %s ' % tag * 5
        if parent:
            parent.children.append(self)


def parse(n):
    root = Node('config', None)  # leak
    for i in range(30):
        section = Node('section%d' % i, root)  # leak
        for j in range(3):
            Node('entry%d.%d.%d' % (n, i, j), section)  # leak
    return root


def reload(n):
    config = parse(n)
    settings = {c.tag: len(c.children) for c in config.children}
    del config
    gc.freeze()
    return settings


current = {}
for n in range(150):
    current = reload(n)
    for i in range(20):
        parts = ['%d' % (i * k) for k in range(50)]
    time.sleep(0.015)
print(len(current))
