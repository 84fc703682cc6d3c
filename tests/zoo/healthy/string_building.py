"""A report is built piece by piece, written, and begun anew."""
import io
import time

for report in range(40):
    out = io.StringIO()
    for line in range(500):
        out.write("line %d of report %d\n" % (line, report))
    out.getvalue().encode()
    time.sleep(0.05)
