"""Worker threads that never end keep what they did in a threading.local.

verdict: growth
"""
import threading
import time

local = threading.local()
jobs = 0


def work(name):
    global jobs
    local.done = []
    for number in range(2000):
        jobs += 1
        local.done.append({"job": number, "by": name + str(number)})  # leak
        time.sleep(0.003)


threads = [threading.Thread(target=work, args=("worker",), daemon=True) for i in range(3)]
for thread in threads:
    thread.start()
while jobs < 1800:
    time.sleep(0.05)
