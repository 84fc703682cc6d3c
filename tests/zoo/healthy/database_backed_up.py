"""A batch on a file of SQLite, whose pages stay in memory up to a bound; then a backup into memory."""
import json
import os
import random
import sqlite3
import tempfile

rnd = random.Random(13)


class Median:
    def __init__(self):
        self.values = []

    def step(self, value):
        self.values.append(value)

    def finalize(self):
        return sorted(self.values)[len(self.values) // 2]


with tempfile.TemporaryDirectory() as folder:
    db = sqlite3.connect(os.path.join(folder, "a.db"))
    db.row_factory = sqlite3.Row
    db.create_aggregate("median", 1, Median)
    db.create_function("shout", 1, lambda s: s.upper())
    db.execute("create table orders (id integer primary key, who text, amount real, detail text)")
    for batch in range(40):
        with db:
            db.executemany("insert into orders (who, amount, detail) values (?, ?, ?)",
                           [("who%d" % rnd.randrange(100), rnd.random() * 100, json.dumps({"lines": [batch, n]}))
                            for n in range(300)])
        for n in range(12):
            rows = db.execute("select shout(who) w, amount, detail from orders where id %% %d = 0 limit 100" % (n + 2))
            total = sum(row["amount"] + len(json.loads(row["detail"])) for row in rows)
    print(db.execute("select count(*), median(amount) > 0 from orders").fetchone()[0])
    copy = sqlite3.connect(":memory:")
    db.backup(copy)
    print(copy.execute("select count(*) from orders").fetchone()[0])
