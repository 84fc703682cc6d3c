"""Each request wraps the signal handler that is there in one of its own and never puts it back.

verdict: growth
"""
import signal
import time


def handle(number):
    before = signal.getsignal(signal.SIGUSR1)
    state = {"request": number, "before": before}  # leak

    def handler(signum, frame):
        if callable(state["before"]):
            state["before"](signum, frame)
    signal.signal(signal.SIGUSR1, handler)


for number in range(1500):
    handle(number)
    time.sleep(0.001)
