"""Objects in cycles whose attributes are listed by vars() and copied: some wait for the collector at any time, and it can free them.

From 3.13 on the dict of such an object, once there is one, tells the collector of the object's attributes in its place.
"""
import copy
import time


class Node:
    def __init__(self, number):
        self.number, self.children, self.parent = number, [], None

    def add(self, child):
        child.parent = self
        self.children.append(child)
        return child


for number in range(1200):
    root = Node(number)
    child = root.add(Node(-number))
    assert sorted(vars(root)) == ["children", "number", "parent"]
    assert vars(copy.copy(child))["number"] == -number
    time.sleep(0.002)
