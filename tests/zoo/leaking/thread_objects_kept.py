"""A pool of its own: finished threads stay in a list.

verdict: growth
"""
import threading
import time

workers = []


def serve(number):
    lines = ["line %d of %d" % (i, number) for i in range(50)]
    thread = threading.Thread(target=lambda: len(lines))  # leak
    workers.append(thread)  # leak
    thread.start()
    thread.join()


for number in range(800):
    serve(number)
    time.sleep(0.002)
