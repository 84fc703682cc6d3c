"""Cycles are made all the time, and collected all the time."""
import time


class Node:
    def __init__(self):
        self.me = self
        self.text = "x" * 100


for number in range(2500):
    for i in range(8):
        Node()
    time.sleep(0.0008)
