"""Blocks made in signal handlers, over whatever was running."""
import signal
import time
from truth import *

count, made = 0, []


def handler(number, frame):
    global count
    count += 1
    size = 10 + count  # a handler can interrupt a handler
    if size <= 60:
        p = helper.truth_malloc(size); made.append(size); stack_alive('malloc', size)


def busy():
    until = time.time() + 60
    while count < 60 and time.time() < until:
        helper.truth_malloc_free(5, 3)
        [bytes(n) for n in range(50)]


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
busy()
signal.setitimer(signal.ITIMER_REAL, 0)
assert count >= 60
for size in made:  # not in the handler: one that interrupts another would undo what that one adds up
    alive('malloc', size, line=handler.__code__.co_firstlineno + 5 - sys._getframe().f_lineno)
done()
