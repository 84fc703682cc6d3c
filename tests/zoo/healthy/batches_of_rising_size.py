"""Each batch is larger than the one before and is given back whole: the last one is the largest, and what is alive at its end is
its result only."""
import time

result = None
for batch in range(60):
    rows = [{"row": i, "batch": batch} for i in range(batch * 40)]
    result = sum(row["row"] for row in rows)
    time.sleep(0.03)
    del rows
