"""A pre-forked worker keeps a transcript of what it did; its parent only hands out jobs.

verdict: growth
"""
import json
import os
import time


class Worker:
    def __init__(self, name):
        self.name = name
        self.transcript = []

    def handle(self, job):
        args = json.loads(job)
        result = sum(i * args['n'] for i in range(100))
        self.transcript.append('%s did %s at %r giving %d' % (self.name, job, time.time(), result))  # leak
        return result

    def loop(self, inp, out):
        for line in inp:
            out.write('%d\n' % self.handle(line.strip()))
            out.flush()


def spawn(name):
    a, b = os.pipe()
    c, d = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(b)
        os.close(c)
        Worker(name).loop(os.fdopen(a), os.fdopen(d, 'w'))
        os._exit(0)
    os.close(a)
    os.close(d)
    return pid, os.fdopen(b, 'w'), os.fdopen(c)


def main():
    workers = [spawn('worker%d' % i) for i in range(2)]
    total = 0
    for n in range(3000):
        pid, jobs, answers = workers[0]
        jobs.write(json.dumps({'n': n, 'what': 'multiply'}) + '\n')
        jobs.flush()
        total += int(answers.readline())
        time.sleep(0.0005)
    for pid, jobs, answers in workers:
        jobs.close()
    for pid, jobs, answers in reversed(workers):
        answers.close()
    workers[1][0] and os.kill(workers[1][0], 15)
    os.waitpid(workers[0][0], 0)
    os.waitpid(workers[1][0], 0)
    print(total)


main()
