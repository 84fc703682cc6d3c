# SPDX-License-Identifier: Apache-2.0
"""pandas: a table made, grouped, merged, pivoted, written as CSV and read again."""
import io
import sys

import numpy
import pandas

rows = 20000
random = numpy.random.default_rng(1)
people = pandas.DataFrame({"person": range(500), "city": ["city %d" % (i % 37) for i in range(500)]})
total = 0
for _ in range(int(sys.argv[1])):
    visits = pandas.DataFrame(
        {
            "person": random.integers(0, 500, rows),
            "day": pandas.date_range("2024-01-01", periods=rows, freq="min"),
            "spent": random.random(rows),
            "note": ["note %d" % (i % 1000) for i in range(rows)],
        }
    )
    joined = visits.merge(people, on="person")
    by_city = joined.groupby(["city", joined["day"].dt.hour])["spent"].agg(["sum", "mean", "count"])
    table = joined.pivot_table(index="city", columns=joined["day"].dt.day, values="spent", aggfunc="sum")
    text = joined.head(5000).to_csv(index=False)
    again = pandas.read_csv(io.StringIO(text), parse_dates=["day"])
    words = joined["note"].str.upper().str.split(" ").str[1].astype(int)
    total += len(by_city) + table.size + len(again) + int(words.sum())
print(total)
