"""Views subscribe to a model and are thrown away; the model keeps their bound methods.

verdict: growth
"""
import time


class Model:
    def __init__(self):
        self.observers = []

    def subscribe(self, callback):
        self.observers.append(callback)  # leak


class View:
    def __init__(self, model, number):
        self.lines = ["line %d" % i for i in range(number % 7 + 10)]  # leak
        model.subscribe(self.changed)

    def changed(self):
        return len(self.lines)


model = Model()
for number in range(1500):
    View(model, number)
    time.sleep(0.001)
