"""Trees with links to parents under gc.disable(), as services do that want no pauses.

verdict: cycle-garbage
"""
import gc
import time

gc.disable()


class Node:
    def __init__(self, parent):
        self.parent = parent
        self.children = []


def build():
    root = Node(None)  # leak
    for i in range(5):
        root.children.append(Node(root))  # leak
    return len(root.children)


for number in range(1200):
    build()
    time.sleep(0.0015)
