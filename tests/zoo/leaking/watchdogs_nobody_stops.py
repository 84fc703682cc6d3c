"""A watchdog thread for every job waits for an event that nobody sets once the job is done.

verdict: growth
"""
import threading
import time


class Watchdog:
    def __init__(self, job):
        self.job = job
        self.stop = threading.Event()
        self.log = ['watching %s since %f' % (job, time.time())]
        self.thread = threading.Thread(target=self.watch, daemon=True)  # leak
        self.thread.start()  # leak

    def watch(self):
        while not self.stop.wait(3600):
            self.log.append('still there')


def run_job(n):
    dog = Watchdog('job %d' % n)  # leak
    data = sorted(str(i * n % 977) for i in range(500))
    if not data:
        dog.stop.set()
    return len(data)


def main():
    for n in range(400):
        run_job(n)
        time.sleep(0.006)


main()
