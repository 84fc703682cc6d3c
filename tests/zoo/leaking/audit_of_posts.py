"""A forked worker keeps an entry for each POST; other lines make and drop many dicts, off whose free list the entries come.

verdict: growth
holder: AUDIT
"""
import json
import os
import random
import sys
import time

AUDIT = []
CACHE = {}


def handle(method, path, body):
    doc = json.loads(body)
    res = CACHE.get(path)
    if res is None:
        if len(CACHE) > 100:
            CACHE.clear()
        res = CACHE[path] = [path.upper()] * 20
    out = {"path": res[0], "n": len(doc["items"]), "sum": sum(i["v"] for i in doc["items"])}
    if method == "POST":
        AUDIT.append({"path": path, "who": doc["user"], "out": out, "diff": doc["items"][:2]})  # leak
    return json.dumps(out)


def worker(seed):
    rnd = random.Random(seed)
    total = 0
    for n in range(4000):
        body = json.dumps({"user": "u%d" % n, "items": [{"k": i, "v": rnd.randrange(99)} for i in range(25)]})
        total += len(handle("POST" if n % 4 == 0 else "GET", "/p/%d" % rnd.randrange(300), body))
        if n % 200 == 0:
            time.sleep(0.005)
    return total


def main():
    pid = os.fork()
    if pid == 0:
        t = worker(25)
        print("worker", t)
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print("parent: worker ended with", status)
    sys.exit(status and 1)


main()
