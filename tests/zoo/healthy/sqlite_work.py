"""Statements, rows, transactions; the cache of statements has a bound."""
import sqlite3
import time

db = sqlite3.connect(":memory:")
db.execute("create table t (a integer primary key, b text)")
for number in range(1200):
    db.execute("insert or replace into t values (?, ?)", (number % 100, "text %d" % number))
    db.execute("select b, %d from t where a = ?" % (number % 300), (number % 100,)).fetchall()
    db.commit()
    time.sleep(0.0015)
