"""A producer that is quicker than its consumer: the queue grows while work comes in, and is drained after."""
import hashlib
import queue
import threading

jobs = queue.Queue()
done = []


def consumer():
    while True:
        job = jobs.get()
        if job is None:
            return
        digest = job["body"]
        for _ in range(20):
            digest = hashlib.sha1(digest).digest()
        if job["id"] % 1000 == 0:
            done.append(digest.hex())


def producer():
    for number in range(10000):
        jobs.put({"id": number, "body": b"x" * 200 + str(number).encode()})
    jobs.put(None)


threads = [threading.Thread(target=f) for f in (consumer, producer)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(len(done), jobs.qsize())
