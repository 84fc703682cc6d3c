# SPDX-License-Identifier: Apache-2.0
"""Threads that call malloc while another one holds the GIL: run with PYTRACE_LOG=check."""
import sqlite3, threading, zlib, lzma, bz2, sys, os
def q(n):
    c = sqlite3.connect(":memory:")
    c.execute("create table t(a,b)")
    c.executemany("insert into t values(?,?)", [(i, "x"*i) for i in range(n)])
    r = list(c.execute("select a, group_concat(b) from t group by a order by b"))
    c.close()
    return r
def z(n):
    d = lzma.compress(os.urandom(n)); lzma.decompress(d); bz2.compress(b'x'*n); zlib.compress(b'y'*n)
def spin(stop):
    while not stop.is_set():
        [object() for _ in range(50)]
stop = threading.Event()
ts = [threading.Thread(target=spin, args=(stop,)) for _ in range(2)] + [threading.Thread(target=q, args=(100,)) for _ in range(3)] + [threading.Thread(target=z, args=(50000,)) for _ in range(2)]
for t in ts: t.start()
q(200); z(100000)
for t in ts[2:]: t.join()
stop.set()
for t in ts[:2]: t.join()
pid = os.fork()
if pid == 0:
    q(20); [object() for _ in range(100)]; os._exit(0)
os.waitpid(pid, 0)
d = threading.Thread(target=spin, args=(threading.Event(),), daemon=True); d.start()
print('end')
