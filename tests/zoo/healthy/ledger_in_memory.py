"""A database in memory, of a local of main(), is filled and then asked: it grew by a function, and was used."""
import random
import sqlite3


def fill(db, n):
    rng = random.Random(1)
    db.executescript("""
        create table account(id integer primary key, name text);
        create table entry(id integer primary key, src int, dst int, cents int, day int, memo text);
        create index entry_day on entry(day);
    """)
    db.executemany("insert into account values(?,?)", ((i, "acct %04d" % i) for i in range(500)))
    for day in range(200):
        with db:
            db.executemany("insert into entry(src,dst,cents,day,memo) values(?,?,?,?,?)",
                           ((rng.randrange(500), rng.randrange(500), rng.randrange(1, 99999), day,
                             "transfer %d/%d" % (day, k)) for k in range(n // 200)))


def reports(db):
    out = []
    for day in range(0, 200, 4):
        q = "select a.name, sum(e.cents) s from entry e join account a on a.id=e.src where day between ? and ? group by a.id order by s desc limit 3"
        out.append(db.execute(q, (day, day + 20)).fetchall())
    return out


def main():
    db = sqlite3.connect(":memory:")
    fill(db, 90000)
    rows = reports(db)
    print(len(rows), rows[0][0], db.execute("select count(*), sum(cents) from entry").fetchone())
    db.close()


if __name__ == "__main__":
    main()
