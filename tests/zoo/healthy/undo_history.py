"""An editor that keeps the last hundred states of a document of some hundred lines."""
import time


class Editor:
    def __init__(self):
        self.lines, self.history = ["line %d" % i for i in range(200)], []

    def edit(self, number):
        self.history.append(list(self.lines))
        del self.history[:-100]
        self.lines[number % 200] = "line %d, edited %d" % (number % 200, number)


editor = Editor()
for number in range(2500):
    editor.edit(number)
    time.sleep(0.0008)
