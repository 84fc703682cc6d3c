"""C++'s operators new and delete, each in each form; one that fails; blocks that die by an exception."""
from truth import *

cxx = ctypes.CDLL(os.environ['TRUTH_CXX'])  # a constructor in it makes a block of 4321 bytes
declare(cxx, 'truth_new', P, N)
declare(cxx, 'truth_new_aligned', P, N)
declare(cxx, 'truth_loaded', P)
declare(cxx, 'truth_news', None, N, ctypes.POINTER(P))
declare(cxx, 'truth_deletes', None, N, ctypes.POINTER(P))
declare(cxx, 'truth_new_fails', I, N)
assert cxx.truth_loaded()
eight, twelve = (P * 8)(), (P * 12)()
cxx.truth_news(1024, eight)
for i in range(8):
    alive('malloc', 1024 + (i if i < 4 else 0), line=-2)
for i in range(12):
    twelve[i] = cxx.truth_new_aligned(2048) if i >= 6 else cxx.truth_new(2048)
gone('malloc', 2048, 12, line=-1)
cxx.truth_deletes(2048, twelve)
assert all(eight) and all(twelve)
if 'mimalloc' not in os.environ['LD_PRELOAD']:  # which aborts
    assert cxx.truth_new_fails(1 << 62) >= 3
assert cxx.truth_new_fails(100) == -1; gone('malloc', 100)
assert cxx.truth_catches(9) == 7
done()
