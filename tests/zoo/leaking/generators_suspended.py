"""A scheduler keeps generators that wait for an answer that never comes.

verdict: growth
"""
import time

waiting = []


def conversation(number):
    history = ["message %d" % i for i in range(number % 5, number % 5 + 20)]
    answer = yield
    history.append(answer)


for number in range(1500):
    steps = conversation(number)
    next(steps)
    waiting.append(steps)  # leak
    time.sleep(0.001)
