# SPDX-License-Identifier: Apache-2.0
"""sqlite in memory: rows inserted, indexed, selected, joined."""
import sqlite3
import sys

rows = int(sys.argv[1])
base = sqlite3.connect(":memory:")
base.execute("create table person (id integer primary key, name text, city text)")
base.execute("create table visit (person integer, day integer, note text)")
base.executemany(
    "insert into person values (?, ?, ?)", ((i, "name %d" % i, "city %d" % (i % 97)) for i in range(rows // 4))
)
base.executemany(
    "insert into visit values (?, ?, ?)", ((i % (rows // 4), i % 365, "note %d" % i) for i in range(rows))
)
base.execute("create index by_person on visit (person)")
total = sum(len(note) for (note,) in base.execute("select note from visit order by note"))
cities = base.execute("select city, count(*) from person join visit on person = id group by city").fetchall()
for i in range(0, rows // 4, 7):
    total += len(base.execute("select * from visit where person = ?", (i,)).fetchall())
print(total, len(cities))
