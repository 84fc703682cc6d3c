# SPDX-License-Identifier: Apache-2.0
"""Greenlets that switch at all depths, through C calls, and are killed: run with PYTRACE_LOG=check."""
import greenlet, random, sys
random.seed(3)
def leaf(n): return [object() for _ in range(n)]
def rec(n, parent):
    x = leaf(2)
    if n == 0:
        parent.switch(leaf(1))
        return leaf(2)
    if n % 3 == 0:
        return sorted([n], key=lambda i: rec(n-1, parent))
    return rec(n-1, parent)
def body(k):
    for i in range(40):
        rec((k*7+i)%40, main)
    return 'done'
main = greenlet.getcurrent()
for rnd in range(4):
    gs = [greenlet.greenlet(lambda k=k: body(k)) for k in range(12)]
    alive = list(gs)
    while alive:
        g = random.choice(alive)
        def via(d, g):
            if d: return via(d-1, g)
            r = leaf(1); g.switch(); leaf(2); return r
        via(random.randrange(10), g)
        alive = [g for g in alive if not g.dead]
        if rnd == 3 and random.random() < .01 and alive:
            del gs[:]; alive.pop()   # greenlet killed by GC
print('end')
