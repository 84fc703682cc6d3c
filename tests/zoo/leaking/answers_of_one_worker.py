"""Eight workers; the one that does the geocoding keeps every answer.

verdict: growth
"""
import queue
import threading
import time


class Worker(threading.Thread):
    def __init__(self, kind):
        super().__init__(name=kind, daemon=True)
        self.jobs = queue.Queue()
        self.done = 0

    def run(self):
        while True:
            job = self.jobs.get()
            if job is None:
                return
            self.work(job)
            self.done += 1

    def work(self, job):
        text = ' '.join(str(i * job) for i in range(60))
        return len(text.split())


class Geocoder(Worker):
    def __init__(self):
        super().__init__('geo')
        self.answers = {}

    def work(self, job):
        place = {'lat': job / 7.0, 'lon': job / 3.0, 'name': 'place %d' % job}  # leak
        self.answers['addr-%d' % job] = place  # leak
        return place


def main():
    workers = [Worker('w%d' % i) for i in range(7)] + [Geocoder()]
    for w in workers:
        w.start()
    for n in range(2000):
        for w in workers:
            w.jobs.put(n)
        time.sleep(0.001)
    for w in workers:
        w.jobs.put(None)
        w.join()
    print([w.done for w in workers])


main()
