"""Worker threads keep what they did in a threading.local; all of it goes as they end, when the program does.

verdict: growth
"""
import threading
import time

local = threading.local()
jobs = 0
stop = threading.Event()


def work(name):
    local.done = []
    number = 0
    while not stop.wait(0.003):
        handle(name, number)
        number += 1


def handle(name, number):
    global jobs
    jobs += 1
    local.done.append({"job": number, "by": name + str(number)})  # leak


threads = [threading.Thread(target=work, args=("worker",)) for i in range(3)]
for thread in threads:
    thread.start()
while jobs < 1800:
    time.sleep(0.01)
stop.set()
for thread in threads:
    thread.join()
