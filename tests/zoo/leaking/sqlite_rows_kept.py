"""A history of query results is kept "for debugging".

verdict: growth
"""
import sqlite3
import time

db = sqlite3.connect(":memory:")
db.execute("create table t (a integer, b text)")
db.executemany("insert into t values (?, ?)", [(i, "text %d" % i) for i in range(30)])
history = []


def query(number):
    rows = db.execute("select a, b from t where a != ?", (number,)).fetchall()  # leak
    history.append(rows)  # leak
    return len(rows)


for number in range(1200):
    query(number)
    time.sleep(0.0015)
