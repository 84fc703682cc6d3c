# SPDX-License-Identifier: Apache-2.0
"""gauge: how much more is allocated than before, told in microseconds and without the tracer

What:  blocks of Python's allocator (sys.getallocatedblocks()) and bytes of C (mallinfo2()). They have no lines and no sizes:
       who left them is for the analyzer to say. But a run that leaves nothing, leaves nothing to say.
How:   what was there before is frozen for the time of the repetitions, so that a collection looks at nothing else. The
       interpreter's cache of attributes is emptied, as for CPython's own -R: its entries keep the names that were looked
       up, those that C code made for one look included, until they happen to be written over.
"""
import array
import ctypes
import functools
import gc
import sys
import sysconfig

BLOCK_BYTES = 128  # what a block of Python's allocator is reckoned with where bytes are told
ANY_SIZE = bool(sysconfig.get_config_var('Py_GIL_DISABLED'))  # blocks of Python's allocator; else C has those above 512 bytes
COLLECTIONS = 3    # of garbage that finalizers make anew


FIELDS = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split()


class MallInfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in FIELDS]


def find_mallinfo():
    """A function that tells what C code has allocated: up to glibc 2.32 that of narrow numbers, whose differences will do."""
    library = ctypes.CDLL(None)
    for name, fields in (('mallinfo2', MallInfo2), ('mallinfo', MallInfo)):
        function = getattr(library, name, None)
        if function is not None:
            function.restype = fields
            return function
    return None


def find_clear():
    """What empties the interpreter's own caches."""
    name = '_clear_internal_caches' if hasattr(sys, '_clear_internal_caches') else '_clear_type_cache'  # CPython 3.13
    return getattr(sys, name, None) or (lambda: None)


def make_frames(depth):
    """Makes the frame objects of the callers of the `depth`th caller and of itself. An exception in a run would, whose frames
    refer to theirs, and they live as long as the calls."""
    frame = sys._getframe(depth + 1)
    while frame is not None:
        frame = frame.f_back


class Gauge:
    """How much more is allocated than when it was last asked: in blocks of Python, in bytes of C."""

    def __init__(self):
        self.mallinfo = find_mallinfo()
        self.clear = find_clear()
        self.before = array.array('q', (0, 0))  # numbers that are no objects: to remember them leaves nothing behind

    def read(self):
        info = self.mallinfo() if self.mallinfo else None
        return sys.getallocatedblocks(), info.uordblks + info.hblkhd if info else 0

    def settle(self):
        """Lets go of what nobody holds: garbage, and what its finalizers make; with the oldest generation free lists,
        whose blocks count as allocated; what is looked up. Quick where most is frozen."""
        for _ in range(COLLECTIONS):
            if not gc.collect():
                break
        self.clear()

    def start(self):
        """From here on, young garbage left out."""
        gc.collect(1)
        self.before[0], self.before[1] = self.read()

    def start_settled(self):
        """From here on, in the same function as what follows. Settled in the very way in which it is at the end, or the one would see what the other does not."""
        make_frames(1)
        self.settle()
        self.before[0], self.before[1] = self.read()

    def rise(self):
        now = self.read()
        return now[0] - self.before[0], now[1] - self.before[1]

    def rise_settled(self):
        self.settle()
        return self.rise()


def weight(rise):
    """Of a rise in blocks and bytes, about, in bytes."""
    return max(0, rise[0]) * BLOCK_BYTES + max(0, rise[1])


def is_nothing(rise, limit=0):
    """Whether it is no more than `limit` bytes, as far as can be told of blocks without sizes; of 0 it is exact."""
    return rise[0] <= (0 if ANY_SIZE else limit // BLOCK_BYTES) and rise[1] <= limit


def is_steady(rises):
    """Whether it goes on: what fills up rises less and less."""
    return weight(rises[-1]) * 2 >= weight(rises[0])


# ---- caches with a bound ----

def bounded_caches():
    """The lru_caches that have a bound, but for frozen ones."""
    return [o for o in gc.get_objects() if type(o) is functools._lru_cache_wrapper and o.cache_info().maxsize is not None]


def fill(caches):
    """How many entries they have, together."""
    return sum(o.cache_info().currsize for o in caches)
