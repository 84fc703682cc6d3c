"""shelve with writeback=True keeps every entry that was touched in its cache, until sync().

verdict: growth
"""
import os
import shelve
import tempfile
import time

folder = tempfile.mkdtemp()
shelf = shelve.Shelf({}, writeback=True)
for number in range(50):
    shelf[str(number)] = ["entry"] * 10
shelf.sync()
for number in range(2500):
    shelf["session-%d" % number] = {"user": number, "items": list(range(10))}  # leak
    time.sleep(0.0008)
os.rmdir(folder)
