# SPDX-License-Identifier: Apache-2.0
"""A numeric loop: planets that pull each other, floats made and dropped, hardly a block that lives."""
import sys

bodies = [
    # x, y, vx, vy, mass
    [0.0, 0.0, 0.0, 0.0, 1000.0],
    [10.0, 0.0, 0.0, 9.0, 1.0],
    [0.0, 25.0, -6.0, 0.0, 2.0],
    [-40.0, 0.0, 0.0, -4.5, 0.5],
]
pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1 :]]


def step(dt):
    for a, b in pairs:
        dx, dy = a[0] - b[0], a[1] - b[1]
        square = dx * dx + dy * dy
        pull = dt / (square * square**0.5)
        a[2] -= dx * b[4] * pull
        a[3] -= dy * b[4] * pull
        b[2] += dx * a[4] * pull
        b[3] += dy * a[4] * pull
    for body in bodies:
        body[0] += dt * body[2]
        body[1] += dt * body[3]


for _ in range(int(sys.argv[1])):
    step(0.001)
print(["%.9f" % value for body in bodies for value in body])
