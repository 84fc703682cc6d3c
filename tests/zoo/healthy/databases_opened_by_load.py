"""A pool of databases grows with the load to its bound; each keeps pages and statements, which have bounds, too."""
import collections
import queue
import random
import sqlite3
import threading


class Connection:
    def __init__(self, number):
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute("create table t (a, b)")
        self.statements = collections.OrderedDict()

    def run(self, sql, *args):
        self.statements[sql] = len(args)
        self.statements.move_to_end(sql)
        if len(self.statements) > 50:
            self.statements.popitem(last=False)
        return self.db.execute(sql, args).fetchall()


class Pool:
    def __init__(self, size):
        self.size, self.made, self.idle, self.lock = size, 0, queue.LifoQueue(), threading.Lock()

    def take(self):
        with self.lock:
            if self.idle.empty() and self.made < self.size:
                self.made += 1
                return Connection(self.made)
        return self.idle.get()

    def give(self, connection):
        self.idle.put(connection)


pool = Pool(20)


def worker(number, all_here):
    r = random.Random(number)
    c = pool.take()
    all_here.wait()
    for n in range(120):
        c.run("select %d + ?" % r.randrange(80), n)
        c.run("insert into t values (?, ?)", n, "x")
        c.run("delete from t")
    pool.give(c)


for round in range(7):
    together = threading.Barrier(2 + 3 * round)
    threads = [threading.Thread(target=worker, args=(round * 100 + n, together)) for n in range(2 + 3 * round)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
print(pool.made)
