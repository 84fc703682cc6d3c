"""Two producers that are faster than their consumer: the queue fills up to its two hundred places, and they wait."""
import queue
import threading
import time

jobs = queue.Queue(maxsize=200)


def produce(name):
    for number in range(900):
        jobs.put({"from": name, "number": number, "payload": "job %d of %s" % (number, name)})
    jobs.put(None)


producers = [threading.Thread(target=produce, args=(name,)) for name in ("a", "b")]
for thread in producers:
    thread.start()
ended = 0
while ended < 2:
    job = jobs.get()
    ended += job is None
    time.sleep(0.0012)
