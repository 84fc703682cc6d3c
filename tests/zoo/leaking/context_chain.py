"""Each request's context keeps the one before: a linked list of all requests.

verdict: growth
"""
import time


class Context:
    def __init__(self, parent, number):
        self.parent = parent
        self.values = {"request": number, "user": "user-%d" % number}  # leak


current = None
for number in range(2500):
    current = Context(current, number)  # leak
    time.sleep(0.0008)
