"""Temporary files and folders, made, written, read, removed."""
import os
import tempfile
import time

for number in range(250):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "data"), "w+") as f:
            f.write("line\n" * 100)
            f.seek(0)
            assert len(f.readlines()) == 100
    with tempfile.SpooledTemporaryFile(max_size=1000) as f:
        f.write(b"x" * (number * 10))
    time.sleep(0.006)
