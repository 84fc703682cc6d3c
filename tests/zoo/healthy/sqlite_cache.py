"""A cache in a database in memory: five hundred rows at most, the oldest are deleted, pages are used again."""
import sqlite3
import time

db = sqlite3.connect(":memory:")
db.execute("create table cache (key text primary key, value blob, used integer)")
db.execute("create index used on cache (used)")
for number in range(1600):
    db.execute("insert or replace into cache values (?, ?, ?)", ("key-%d" % (number * 31 % 1700), bytes(200 + number % 90), number))
    (count,), = db.execute("select count(*) from cache").fetchall()
    if count > 500:
        db.execute("delete from cache where key in (select key from cache order by used limit 50)")
    db.commit()
    time.sleep(0.001)
db.close()
