# SPDX-License-Identifier: Apache-2.0
"""Programs that bring an allocator of their own: preloaded before or behind the tracer, linked into the program."""
import ctypes.util
import glob
import os

import harness
import snapshots
import tracefile
import truths

TRACED_WITH = {'PYTRACE_SNAPSHOT': 'off'}
LIBRARIES = {'jemalloc': 'libjemalloc.so.2', 'tcmalloc': 'libtcmalloc_minimal.so.4', 'tcmalloc-full': 'libtcmalloc.so.4',
             'mimalloc': 'libmimalloc.so.2'}
PROGRAMS = ('malloc_family', 'frees', 'realloc_chain', 'failures', 'mappings', 'py_domains', 'containers', 'threads_many',
            'threads_handover', 'signals', 'fork_tree', 'cxx_operators')
ORDERS = {'behind': 'behind', 'before': 'redirected'}


def library(name):
    for folder in ('/usr/lib/*-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/lib'):
        for path in glob.glob(os.path.join(folder, LIBRARIES[name])):
            return path
    raise harness.Skip('%s is not installed' % LIBRARIES[name])


def preload(name, order):
    pair = [harness.LIBRARY, library(name)]
    return ':'.join(pair if order == 'behind' else reversed(pair))


def cxx_library():
    path = os.path.join(harness.BUILD, 'tests', 'truth', 'truth_cxx.so')
    if not os.path.exists(path):
        raise harness.Skip('no C++ compiler')
    return path


def sizes_made(trace, layer=1):
    """How often each size was asked for, in a layer of blocks."""
    made = {}
    for _, _, size, _ in tracefile.TraceFile(trace).only(layer, 3 << 4 | layer):
        made[size] = made.get(size, 0) + 1
    return made


@harness.spread(1)
@harness.cases(*['%s %s %s' % (name, order, program) for name in LIBRARIES for order in ORDERS for program in PROGRAMS])
def test_preloaded(python, tmp, case):
    name, order, program = case.split()
    env = {'LD_PRELOAD': preload(name, order)}
    if program == 'cxx_operators':
        env['TRUTH_CXX'] = cxx_library()
    done = truths.check_program(python, tmp, program, env=env)
    allocator = harness.report('info', done.trace)['allocator']
    assert allocator == {'name': LIBRARIES[name], 'order': ORDERS[order]}, allocator
    assert not done.err, done.err


OWN = {'jemalloc': 'je', 'tcmalloc': 'tc', 'tcmalloc-full': 'tc', 'mimalloc': 'mi'}


@harness.cases(*['%s %s' % (name, order) for name in LIBRARIES for order in ORDERS])
@harness.spread(2)
def test_own_names(python, tmp, case):
    name, order = case.split()
    truths.check_program(python, tmp, 'own_names', [library(name), OWN[name]], env={'LD_PRELOAD': preload(name, order)})


def test_operators_of_libstdcxx(python, tmp):
    done = truths.check_program(python, tmp, 'cxx_operators', env={'TRUTH_CXX': cxx_library()})
    assert sizes_made(done.trace).get(4321) == 1
    assert harness.report('info', done.trace)['allocator'] == {'name': 'libc', 'order': 'behind'}


@harness.cases(*['%s %s' % (name, order) for name in LIBRARIES for order in ORDERS])
def test_operator_while_a_library_is_loaded(tmp, case):
    name, order = case.split()
    env = {'LD_PRELOAD': preload(name, order), 'TRUTH_CXX': cxx_library()}
    done = truths.run_program(harness.PYTHONS[-1], tmp, 'cxx_operators', env=env)
    assert sizes_made(done.trace).get(4321) == 1


@harness.cases(*LIBRARIES)
def test_heap_is_in_no_sum(tmp, case):
    """What an allocator maps to cut into blocks is known, and not counted as memory that the program mapped."""
    python, order = harness.PYTHONS[0], 'behind'
    script = os.path.join(tmp, 'script.py')
    with open(script, 'w') as f:
        f.write('import ctypes\nlibc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\n'
                'kept = [libc.malloc(100000) for i in range(500)]\n')
    done = harness.run_traced([python.path, '-B', '-S', script], tmp, {'LD_PRELOAD': preload(case, order)}).check()
    rows = harness.report('sites', '--by', 'layer', '--top', '0', done.trace)['rows']
    live = {r['layer']: r['live_bytes'] for r in rows}
    assert live['malloc'] >= 50000000, live
    assert live.get('mmap', 0) < 5000000, live
    maps = list(tracefile.TraceFile(done.trace).only(5 << 4 | tracefile.LAYERS.index('heap')))
    if not case.startswith('tcmalloc'):  # which asks the kernel by itself
        assert sum(e[2] for e in maps) >= 50000000, maps


@harness.cases(*['%s %s' % (order, program) for order in ORDERS for program in ('malloc_family', 'frees', 'threads_many', 'cxx_operators')])
@harness.spread(2)
def test_malloc_debug(python, tmp, case):
    """libc's own debugging malloc, whose functions have old versions only."""
    order, program = case.split()
    found = glob.glob('/lib/*-linux-gnu/libc_malloc_debug.so.0')
    if not found:
        raise harness.Skip('no libc_malloc_debug.so.0 (glibc before 2.34)')
    pair = [harness.LIBRARY, found[0]]
    env = {'LD_PRELOAD': ':'.join(pair if order == 'behind' else reversed(pair)), 'MALLOC_CHECK_': '3'}
    if program == 'cxx_operators':
        env['TRUTH_CXX'] = cxx_library()
    done = truths.check_program(python, tmp, program, env=env)
    allocator = harness.report('info', done.trace)['allocator']
    assert allocator == {'name': 'libc_malloc_debug.so.0', 'order': ORDERS[order]}, allocator


# ---- linked into a program ----

EMBEDS = {'embed': ('libc', 'behind'), 'embed_dynamic': ('libjemalloc.so.2', 'behind'), 'embed_static': ('program', 'inside'),
          'embed_prefix': ('libc', 'behind')}


def run_embedded(python, tmp, program, script, env=None):
    if not python.shared:
        raise harness.Skip('a static interpreter: no libpython to embed')
    path = os.path.join(harness.BUILD, 'tests', 'truth', program)
    if not os.path.exists(path):
        raise harness.Skip('no libjemalloc-dev: %s is not built' % program)
    env = dict({'PYTHONHOME': python.prefix, 'PYTRACE_PROGRAMS': 'embed*', 'PYTHONPATH': os.path.join(harness.HERE, 'truth'),
                'TRUTH_HELPER': harness.built('truth/truth.so')}, **env or {})
    return harness.run_traced([path, os.path.join(python.libdir, python.ldlibrary), 'GLOBAL', script], tmp, env).check()


@harness.cases(*['%s %s' % (e, p) for e in EMBEDS for p in ('malloc_family', 'frees', 'py_domains', 'threads_many', 'fork_tree', 'cxx_operators')])
@harness.spread(1)
def test_linked(python, tmp, case):
    program, name = case.split()
    env = {'TRUTH_CXX': cxx_library()} if name == 'cxx_operators' else {}
    done = run_embedded(python, tmp, program, os.path.join(harness.HERE, 'truth', name + '.py'), env)
    said = truths.spoken(done.out)
    assert done.pid in said, done.err
    for pid, lines in said.items():
        truths.compare(truths.merge(lines), done.trace_of(pid), python)
    info = harness.report('info', done.trace)
    assert (info['allocator']['name'], info['allocator']['order']) == EMBEDS[program], info['allocator']
    seen = program != 'embed_static'  # what the executable asks of the allocator inside it passes us by
    made = sizes_made(done.trace)
    assert [made.get(n, 0) for n in (4444, 5555, 6666, 7777)] == [3 * seen, 3 * seen, 0, 0], made
    if not seen:
        assert 'whose own calls of malloc are not seen' in ' '.join(harness.pytrace('info', done.trace).out.split())


# ---- PYTRACE_BACKEND ----

def need_backend():
    with open(harness.LIBRARY, 'rb') as f:
        if b'background_thread:false' not in f.read():
            raise harness.Skip('libpytrace.so was built without jemalloc')


BACKEND = {'PYTRACE_BACKEND': 'jemalloc'}
BACKEND_PROGRAMS = PROGRAMS[:-1] + ('objects_plain', 'threads_join', 'threads_daemon', 'fork_inherit', 'collector', 'py_mmap', 'recursion 200',
                                    'children subprocess', 'children fork', 'ends sys.exit', 'ends _exit')


@harness.cases(*BACKEND_PROGRAMS)
@harness.spread(2)
@harness.timeout(240)
def test_backend(python, tmp, case):
    need_backend()
    name, *args = case.split()
    status = {'sys.exit': 3, '_exit': 7}.get(args[0] if args else '', 0)
    done = truths.check_program(python, tmp, name, args, env=BACKEND, status=status)
    for trace in done.traces:
        info = harness.report('info', trace)
        assert info['allocator'] == {'name': 'jemalloc', 'order': 'backend'} and 'heap' in info['layers'], info
    heap = 5 << 4 | tracefile.LAYERS.index('heap')
    footer = snapshots.Blocks(done.trace).footer
    assert footer['ops'].get(heap), 'no heap'


@harness.cases('cxx_operators')
def test_backend_operators(python, tmp, case):
    need_backend()
    truths.check_program(python, tmp, case, env=dict(BACKEND, TRUTH_CXX=cxx_library()))


def test_backend_beside_a_preloaded_allocator(tmp):
    """Who brings an allocator keeps it, and is told."""
    need_backend()
    env = dict(BACKEND, LD_PRELOAD=preload('jemalloc', 'behind'))
    done = truths.check_program(harness.PYTHONS[-1], tmp, 'malloc_family', env=env)
    assert done.err == 'pytrace: PYTRACE_BACKEND=jemalloc: the program brings an allocator of its own, which goes on serving\n', done.err
    assert harness.report('info', done.trace)['allocator']['name'] == LIBRARIES['jemalloc']


def test_backend_and_older_blocks(python, tmp):
    """Blocks that libc made before the backend was there are resized and given back later."""
    need_backend()
    env = dict(BACKEND, LD_PRELOAD='%s:%s' % (harness.LIBRARY, harness.built('truth/early.so')))
    done = truths.check_program(python, tmp, 'malloc_family', env=env)
    info = harness.report('info', done.trace)
    assert info['allocator']['name'] == 'jemalloc' and info['events']['unknown_frees'] >= 270, info


@harness.cases('embed', 'embed_dynamic', 'embed_static', 'embed_prefix')
def test_backend_linked(tmp, case):
    """An embedded interpreter; a program with an allocator inside keeps it."""
    need_backend()
    shared = [p for p in harness.PYTHONS if p.shared]
    if not shared:
        raise harness.Skip('no shared interpreter')
    done = run_embedded(shared[-1], tmp, case, os.path.join(harness.HERE, 'truth', 'malloc_family.py'), BACKEND)
    truths.compare(truths.merge(truths.spoken(done.out)[done.pid]), done.trace, shared[-1])
    kept = EMBEDS[case][0] != 'libc'
    assert harness.report('info', done.trace)['allocator']['name'] == (EMBEDS[case][0] if kept else 'jemalloc')
    assert ('which goes on serving' in done.err) == kept, done.err


def test_backend_passes_through(tmp):
    """A program that is not traced has libc's malloc."""
    done = harness.run_traced(['/bin/sh', '-c', 'cat /proc/self/maps'], tmp, BACKEND).check()
    assert '[heap]' in done.out and not done.traces


FORKS = '''
import os, sys, threading, ctypes, signal
helper = ctypes.CDLL(os.environ['TRUTH_HELPER'])
stop, ticks = [], []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(bytes(600)))
signal.setitimer(signal.ITIMER_REAL, .002, .002)
def work(size):
    while not stop:
        helper.truth_malloc_free(size, 20000)
        [bytearray(k * 97 % 5000) for k in range(200)]
threads = [threading.Thread(target=work, args=(s,)) for s in (17, 900, 70000)]
for t in threads:
    t.start()
bad = 0
for i in range(25):
    pid = os.fork()
    if not pid:
        helper.truth_malloc_free(300, 1000)
        kept = [bytearray(k * 91 % 3000) for k in range(300)]
        os._exit(i & 7)
    bad += os.waitpid(pid, 0)[1] >> 8 != i & 7
stop.append(1)
for t in threads:
    t.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print('bad', bad)
'''


@harness.cases('backend', *['%s %s' % (name, order) for name in LIBRARIES for order in ORDERS])
def test_forks_while_threads_allocate(tmp, case):
    if case == 'backend':
        need_backend()
    python = harness.PYTHONS[-1]
    env = dict(BACKEND) if case == 'backend' else dict(TRACED_WITH, LD_PRELOAD=preload(*case.split()))
    env.update(TRUTH_HELPER=harness.built('truth/truth.so'), PYTHONWARNINGS='ignore')
    done = harness.run_traced([python.path, '-B', '-S', '-c', FORKS], tmp, env).check()
    assert done.out == 'bad 0\n', (done.out, done.err[-300:])
    assert len(done.traces) == 26 and harness.report('info', done.trace)['complete'], len(done.traces)


def test_smallest_stacks(tmp):
    """Threads that have the least stack that there is, of which thread-local storage takes its part."""
    need_backend()
    python = harness.PYTHONS[-1]
    text = ('import threading, _thread\nthreading.stack_size(32768)\nout = []\n'
            'for i in range(50):\n    t = threading.Thread(target=out.append, args=(i,)); t.start(); t.join()\nprint(len(out))')
    for env in {}, BACKEND:
        done = harness.run_traced([python.path, '-B', '-S', '-c', text], tmp, env).check()
        assert done.out == '50\n', done.err


@harness.cases('MALLOC_ARENA_MAX=1', 'GLIBC_TUNABLES=glibc.malloc.tcache_count=0', 'MALLOC_PERTURB_=165', 'MALLOC_CHECK_=3')
def test_settings_of_libc(tmp, case):
    for python in harness.PYTHONS:
        for program in 'malloc_family', 'threads_many':
            truths.check_program(python, os.path.join(tmp), program, env=dict([case.split('=', 1)]))
