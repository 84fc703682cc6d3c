"""Figures with axes, lines and texts that know their parents: circles that only the collector frees."""
import random

rnd = random.Random(19)


class Artist:
    def __init__(self, parent):
        self.parent = parent
        self.callbacks = {}
        self.style = {"color": "k", "width": 1.5}
        self.stale_callback = lambda value: parent and parent.invalidate(self)

    def invalidate(self, who):
        self.stale = True


class Line(Artist):
    def __init__(self, parent, xs, ys):
        super().__init__(parent)
        self.points = list(zip(xs, ys))


class Axes(Artist):
    def __init__(self, figure):
        super().__init__(figure)
        self.figure = figure
        self.lines = []
        self.ticks = [Artist(self) for _ in range(12)]

    def plot(self, xs, ys):
        self.lines.append(Line(self, xs, ys))
        self.lines[-1].stale_callback(True)


class Figure(Artist):
    open = {}

    def __init__(self, number):
        super().__init__(None)
        self.axes = [Axes(self) for _ in range(4)]
        Figure.open[number] = self


def main():
    for number in range(600):
        figure = Figure(number)
        for axes in figure.axes:
            axes.plot(range(40), [rnd.random() for _ in range(40)])
        del Figure.open[number]
    print(len(Figure.open))


main()
