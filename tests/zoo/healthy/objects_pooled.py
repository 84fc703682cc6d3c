"""Particles are taken from a pool of objects and put back: the pool has as many as were ever alive at once."""
import math
import time


class Particle:
    def __init__(self):
        self.position, self.speed, self.trail = [0.0, 0.0], [0.0, 0.0], []


free, alive = [], []
for turn in range(1200):
    wanted = int(150 + 140 * math.sin(turn / 90) + turn % 7)
    while len(alive) < wanted:
        alive.append(free.pop() if free else Particle())
    while len(alive) > wanted:
        particle = alive.pop()
        particle.trail.clear()
        free.append(particle)
    for particle in alive[::10]:
        particle.position[0] += turn * 0.1
        particle.trail.append(turn)
        del particle.trail[:-20]
    time.sleep(0.0017)
