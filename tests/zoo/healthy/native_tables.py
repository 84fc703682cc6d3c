"""C memory through ctypes: a table of pointers that fills and stops, and a pool whose blocks go back and are taken again."""
import ctypes
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
table = (ctypes.c_void_p * 600)()  # atoms, as GLib has them: made once, never given back
pool = (ctypes.c_void_p * 64)()
pooled = 0
for number in range(2200):
    atom = number % 600
    if not table[atom]:
        table[atom] = libc.malloc(100 + atom % 50)
    block = libc.malloc(512)
    if pooled < 64:
        pool[pooled] = block
        pooled += 1
    else:
        libc.free(block)
    if number % 100 == 0:
        while pooled:
            pooled -= 1
            libc.free(pool[pooled])
    time.sleep(0.001)
