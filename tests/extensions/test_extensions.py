# SPDX-License-Identifier: Apache-2.0
"""Extensions in Cython, C++ (pybind11), Rust and C: their functions stand between the Python lines that called and were called.

The distribution's own interpreter, since its packages (cython3, pybind11-dev, numpy, lxml) are made for it."""
import os
import shutil
import subprocess

import harness

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = '/usr/bin/python3'

PROGRAM = '''
import ctypes, sys
sys.path.insert(0, sys.argv[1])
kept = []

def inner(n):
    kept.append(bytearray(n))
    return n

def outer(order):
    return order(inner, 70001)

if sys.argv[2] in ("shop_cython", "shop_pybind"):
    order = __import__(sys.argv[2]).order
else:
    order = ctypes.CDLL("%s/lib%s.so" % tuple(sys.argv[1:])).order
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_size_t)
    order.argtypes = [callback, ctypes.c_size_t]
    python_inner = inner
    inner = callback(python_inner)
print(outer(order) in (70002, 70003))
'''


def need(*commands):
    if not os.path.exists(PYTHON):
        raise harness.Skip('no %s' % PYTHON)
    for command in commands:
        if not shutil.which(command):
            raise harness.Skip('no ' + command)


def includes():
    done = harness.run([PYTHON, '-c', 'import sysconfig; print(sysconfig.get_paths()["include"])']).check()
    path = done.out.strip()
    if not os.path.exists(os.path.join(path, 'Python.h')):
        raise harness.Skip('no Python.h of %s' % PYTHON)
    return '-I' + path


def source(name):
    return os.path.join(HERE, name)


def build_cython(tmp):
    need('cython3', 'cc')
    harness.run(['cython3', '-o', os.path.join(tmp, 'shop_cython.c'), source('shop_cython.pyx')]).check()
    harness.run(['cc', '-g', '-O2', '-w', '-shared', '-fPIC', includes(), '-o', os.path.join(tmp, 'shop_cython.so'),
                 os.path.join(tmp, 'shop_cython.c')]).check()


def build_pybind(tmp):
    need('c++')
    if not os.path.exists('/usr/include/pybind11/pybind11.h'):
        raise harness.Skip('no pybind11-dev')
    harness.run(['c++', '-g', '-O2', '-shared', '-fPIC', includes(), '-o', os.path.join(tmp, 'shop_pybind.so'),
                 source('shop_pybind.cc')]).check()


def build_rust(tmp):
    need('rustc')
    harness.run(['rustc', '-g', '-O', '--crate-type', 'cdylib', '-o', os.path.join(tmp, 'libshop_rust.so'), source('shop_rust.rs')]).check()


def build_plain(tmp):
    need('cc')
    harness.run(['cc', '-g', '-O2', '-shared', '-fPIC', '-o', os.path.join(tmp, 'libshop_plain.so'), source('shop_plain.c')]).check()


# How each is built, and the frames that its own block must show, innermost first: (function, file, line), a part of the stack in order.
SHOPS = {
    'shop_cython': (build_cython, [('put', None, None), ('order', None, None)]),
    'shop_pybind': (build_pybind, [('shop::Shelf<char>::put', 'shop_pybind.cc', 10), ('shop::order', 'shop_pybind.cc', 16)]),
    'shop_rust': (build_rust, [('shop_rust::shelf::put', 'shop_rust.rs', 6), ('shop_rust::order', 'shop_rust.rs', 12)]),
    'shop_plain': (build_plain, [('put', 'shop_plain.c', 9), ('order', 'shop_plain.c', 17)]),
}


def rows_of(trace, least):
    doc = harness.report('sites', '--by', 'stack', '--top', '0', trace)
    return [r for r in doc['rows'] if r['bytes'] >= least]


def fits(frame, wanted):
    function, file, line = wanted
    return (function in (frame['function'] or '') and (file is None or os.path.basename(frame['file'] or '') == file) and
            (line is None or frame['line'] == line))


def in_order(stack, wanted):
    """Whether the wanted frames are in the stack, in their order."""
    frames = iter(stack)
    return all(any(fits(f, w) for f in frames) for w in wanted)


def show(stack):
    return '\n'.join('%s %s %s:%s' % (f['language'], f['function'], f['file'], f['line']) for f in stack)


@harness.cases(*SHOPS)
@harness.timeout(200)
def test_own_functions_between_python_lines(tmp, case):
    build, own = SHOPS[case]
    build(tmp)
    path = os.path.join(tmp, 'program.py')
    with open(path, 'w') as f:
        f.write(PROGRAM)
    done = harness.run_traced([PYTHON, '-B', path, tmp, case], tmp).check()
    assert done.out == 'True\n', done.out
    rows = rows_of(done.trace, 70001)
    below = [('outer', 'program.py', 11), ('<module>', 'program.py', 21)]
    taken = [r for r in rows if 70001 <= r['bytes'] <= 70100 and in_order(r['stack'], own + below)]
    called = [r for r in rows if in_order(r['stack'], [('inner', 'program.py', 7), own[-1][:2] + (None,)] + below)]
    assert taken, '\n\n'.join(show(r['stack']) for r in rows)
    assert called, '\n\n'.join(show(r['stack']) for r in rows)
    languages = [f['language'] for f in called[0]['stack']]
    assert languages[0] == 'python' and languages[-1] == 'python' and 'native' in languages, languages


PACKAGES = {
    'numpy': ('''
import numpy as np
def make():
    return np.zeros(300000, dtype=np.int8)
kept = make()
''', ['multiarray'], 'make', 4),
    'lxml': ('''
import lxml.etree as etree
text = b"<r>" + b"<a>" * 200 + b"</a>" * 200 + b"<b>text</b>" * 20000 + b"</r>"
def parse():
    return etree.fromstring(text)
kept = parse()
''', ['libxml2', 'etree'], 'parse', 5),
}


@harness.cases(*PACKAGES)
def test_packages(tmp, case):
    """Their functions above the Python line that called them."""
    need()
    if subprocess.run([PYTHON, '-c', 'import ' + case], stderr=subprocess.DEVNULL).returncode:
        raise harness.Skip('%s has no %s' % (PYTHON, case))
    text, own, function, line = PACKAGES[case]
    path = os.path.join(tmp, 'program.py')
    with open(path, 'w') as f:
        f.write(text)
    done = harness.run_traced([PYTHON, '-B', path], tmp).check()
    rows = [r for r in rows_of(done.trace, 100000) if in_order(r['stack'], [(function, 'program.py', line), ('<module>', 'program.py', line + 1)])]
    assert rows, [show(r['stack']) for r in rows_of(done.trace, 100000)]
    stack = rows[0]['stack']
    native = [f for f in stack[:[f['function'] for f in stack].index(function)]]
    assert native and all(f['language'] == 'native' for f in native), show(stack)
    assert any(o in ((f['function'] or '') + (f['module'] or '')) for f in native for o in own), show(stack)
