# SPDX-License-Identifier: Apache-2.0
"""truth: what the truth programs share.

A program says what it knows with alive() and gone(), on the line that allocates or near it, and prints it at the end
with done(). Each process of a program prints one line of JSON:

    {"pid": 1, "sites": [[file, line, layer, live bytes, live blocks, total bytes, total blocks, column or null]],
     "stacks": [[[file, line, function], ...] innermost first, layer, live bytes]]}

Totals are null in layers where the interpreter's own short-lived blocks fall on the same line.
"""
import ctypes
import json
import linecache
import os
import sys
import sysconfig

libc = ctypes.CDLL(None, use_errno=True)
python = ctypes.pythonapi
dropped = ctypes.PyDLL(None)  # the same functions, their results not made into objects
helper = ctypes.CDLL(os.environ['TRUTH_HELPER'])
P, N, I = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
PROT_RW, MAP_ANON_PRIVATE = 3, 0x22
EXACT = ('malloc', 'mmap', 'raw', 'reserve', 'file')
PAGE = 4096
# Free-threaded builds write a list's capacity in front of its items; sys.getsizeof does not know.
LIST_HEAD = 8 if sysconfig.get_config_var('Py_GIL_DISABLED') else 0

_rows, _stacks = {}, []


def declare(lib, name, result, *arguments):
    f = getattr(lib, name)
    f.restype, f.argtypes = result, arguments
    return f


for _name, _args in (('malloc', (N,)), ('calloc', (N, N)), ('realloc', (P, N)), ('reallocarray', (P, N, N)),
                     ('aligned_alloc', (N, N)), ('memalign', (N, N)), ('valloc', (N,)), ('pvalloc', (N,)),
                     ('mmap', (P, N, I, I, I, ctypes.c_long)), ('mremap', (P, N, N, I)), ('sbrk', (ctypes.c_long,))):
    declare(libc, _name, P, *_args)
declare(libc, 'free', None, P)
declare(libc, 'munmap', I, P, N)
declare(libc, 'posix_memalign', I, ctypes.POINTER(P), N, N)
for _name in 'PyMem_RawMalloc', 'PyMem_Malloc', 'PyObject_Malloc':
    declare(python, _name, P, N)
for _name in 'PyMem_RawCalloc', 'PyMem_Calloc', 'PyObject_Calloc':
    declare(python, _name, P, N, N)
for _name in 'PyMem_RawRealloc', 'PyMem_Realloc', 'PyObject_Realloc':
    declare(python, _name, P, P, N)
for _name in list(vars(python)):
    if _name.startswith(('PyMem', 'PyObject')):
        declare(dropped, _name, None, *getattr(python, _name).argtypes)
for _name in 'PyMem_RawFree', 'PyMem_Free', 'PyObject_Free':
    declare(python, _name, None, P)
declare(helper, 'truth_malloc', P, N)
declare(helper, 'truth_free', None, P)
declare(helper, 'truth_malloc_free', None, N, I)
declare(helper, 'truth_realloc_chain', P, N, I)
declare(helper, 'truth_strdup', P, ctypes.c_char_p)
declare(helper, 'truth_c_thread', I, N, I, I, ctypes.POINTER(P))


def _add(frame, layer, live, n_live, total, n_total, line, at):
    lineno, name = frame.f_lineno + line, frame.f_code.co_filename
    column = None
    if at is not None:
        text = linecache.getline(name, lineno)
        column = len(text[:text.index(at)].encode())
    row = _rows.setdefault((name, lineno, layer, column), [0, 0, 0, 0])
    for i, v in enumerate((live, n_live, total, n_total)):
        row[i] += v


def alive(layer, size, n=1, line=0, at=None):
    """n blocks of `size` bytes were made on this line (+ `line`) and stay. `at`: the source text where the column is."""
    _add(sys._getframe(1), layer, n * size, n, n * size, n, line, at)


def gone(layer, size, n=1, line=0, at=None):
    """n blocks of `size` bytes were made on this line (+ `line`) and are freed again."""
    _add(sys._getframe(1), layer, 0, 0, n * size, n, line, at)


def caller_stack(depth=1):
    """[[file, line, function]] of the caller, innermost first."""
    f, out = sys._getframe(depth), []
    while f:
        code = f.f_code
        out.append([code.co_filename, f.f_lineno, getattr(code, 'co_qualname', code.co_name)])
        f = f.f_back
    return out


def stack_alive(layer, size):
    """`size` bytes were made by this very stack, on the line of the call, and stay."""
    _stacks.append([caller_stack(2), layer, size])


def forget():
    """In the child of a fork: what the parent knew is not the child's."""
    _rows.clear()
    del _stacks[:]


def say():
    """Prints what this process knows, as one line."""
    sites = [[f, l, layer] + (r if layer in EXACT else r[:2] + [None, None]) + [c]
             for (f, l, layer, c), r in sorted(_rows.items(), key=str)]
    line = json.dumps({'pid': os.getpid(), 'sites': sites, 'stacks': _stacks}) + '\n'
    data = line.encode()
    while data:
        data = data[os.write(1, data):]


done = say


def drain_free_lists():
    """Takes lists, dicts and floats out of the interpreter's free lists, so that the next ones come from the
    allocator. Returns what must be kept alive."""
    return [[[] for _ in range(300)], [{} for _ in range(300)], [float(i) + .5 for i in range(300)],
            [{i: i} for i in range(200)]]
