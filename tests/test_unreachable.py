# SPDX-License-Identifier: Apache-2.0
"""Native blocks that no pointer leads to are found, each with its C function; what somebody has, wherever he keeps the pointer, is not."""
import os
import shutil

import harness
import snapshots

HERE = os.path.join(harness.HERE, 'unreachable')
N = 60
NODES = 10
# A word that was left over somewhere, in a stack or in memory that its owner has not written yet, may lead to a block, and in doubt
# somebody has it. So a part may be missing, but not one too many is found.
MOST = 0.8


def build(python, tmp):
    harness.extension(python, os.path.join(tmp, '_native.so'), os.path.join(HERE, '_native.c'), '-O1', '-pthread')
    return shutil.copy(os.path.join(HERE, 'program.py'), tmp)


def traced(python, tmp, how, n=N, **env):
    return harness.run_traced([python.path, '-B', build(python, tmp), how, str(n)], tmp, env).check()


def native(doc):
    """{function: [finding]} of the findings on native blocks, and of those that are undecided."""
    found = {}
    for f in doc['findings'] + doc['undecided']:
        if 'unreachable' in f:
            found.setdefault(f['blame']['function'], []).append(f)
    return found


def amounts(findings):
    return tuple(sum(f['unreachable'][kind]['blocks'] for f in findings) for kind in ('direct', 'indirect'))


def about(blocks, truth):
    return truth * MOST <= blocks <= truth


@harness.spread(4)
def test_what_nobody_can_reach_is_found(python, tmp):
    doc = harness.report('leaks', traced(python, tmp, 'lost').trace)
    found = native(doc)
    assert not [f['blame']['function'] for f in doc['undecided'] if 'unreachable' in f]
    # by function: blocks that nothing leads to, and those that only these lead to
    truth = {
        'lost_each_call': (2 * N, 0),  # by the main thread, and by another one
        'lost_lists': (N, N * (NODES - 1)),
        'lost_rings': (N, N * (NODES - 1)),
        'lost_with_freed': (N, 0),
        'lost_raw': (N, 0),
        'lost_large': (N, 0),
        'lost_text': (N, 0),
        'lost_structs': (N, N),
    }
    assert set(found) == set(truth), sorted(found)
    for function, (direct, indirect) in truth.items():
        is_direct, is_indirect = amounts(found[function])
        assert all(f['verdict'] == 'native-unreachable' for f in found[function]), (function, found[function][0]['why'])
        assert about(is_direct + is_indirect, direct + indirect), (function, is_direct, direct, is_indirect, indirect)
        # in a fresh block the link of a free list may be left, which leads to the one that is made next
        assert is_direct <= direct and (about(is_direct, direct) or function == 'lost_structs'), (function, is_direct, direct)
        beside = sum(f['unreachable']['beside']['blocks'] for f in found[function])
        assert sum(f['blocks'] for f in found[function]) == is_direct + is_indirect + beside <= direct + indirect, (function, beside)
        assert all(f['fingerprint'].startswith('native-unreachable-') for f in found[function])
    text, = found['lost_text']
    assert text['blame']['language'] == 'python' and text['layers'] == ['malloc'], text['blame']
    one, other = found['lost_each_call']  # its callers are others
    assert one['blame'] == other['blame'] and one['blame']['file'].endswith('_native.c'), one['blame']


@harness.spread(4)
def test_what_one_line_makes_and_another_grows_is_one_leak(python, tmp):
    found = native(harness.report('leaks', traced(python, tmp, 'grown').trace))
    assert list(found) == ['lost_when_grown'], sorted(found)
    f, = found['lost_when_grown']
    assert f['verdict'] == 'native-unreachable' and about(sum(amounts([f])), N), f['unreachable']
    assert len(f['parts']) == 2, f['parts']


@harness.spread(4)
def test_what_somebody_has_is_not_lost(python, tmp):
    done = traced(python, tmp, 'held')
    doc = harness.report('leaks', done.trace)
    assert native(doc) == {}, [(f, amounts(v)) for f, v in native(doc).items()]
    facts = snapshots.read(done.trace)[1].decode().facts
    assert facts['native.complete'] == 1 and facts['native.heaps_unknown'] == 0 and facts['native.blocks'] > 6 * N, facts


@harness.spread(2)
def test_what_hides_its_pointer_and_gives_the_block_back_is_withdrawn(python, tmp):
    """XORed pointers are seen by nobody: that is a limit. But that a block is given back shows that somebody had it."""
    trace = traced(python, tmp, 'hidden', PYTRACE_SNAPSHOT='call').trace
    lost = snapshots.read(trace)[1].decode().lost
    assert len(lost) >= N * MOST, len(lost)
    assert native(harness.report('leaks', trace)) == {}


@harness.spread(2)
def test_what_garbage_holds_belongs_to_the_garbage(python, tmp):
    doc = harness.report('leaks', traced(python, tmp, 'cycles').trace)
    assert [f['verdict'] for f in doc['findings']] == ['cycle-garbage'] and native(doc) == {}, [f['verdict'] for f in doc['findings']]


@harness.spread(2)
def test_the_child_of_a_fork(python, tmp):
    done = traced(python, tmp, 'fork')
    docs = [harness.report('leaks', trace) for trace in done.traces]
    found = [native(doc) for doc in docs if native(doc)]
    assert len(found) == 1 and list(found[0]) == ['lost_each_call'] and about(amounts(found[0]['lost_each_call'])[0], N), found


@harness.spread(2)
def test_two_processes_that_lose_the_same_are_one_finding(python, tmp):
    """Of each it is told what is lost, and what of the same line is held. The blocks are so large that they get mappings of
    their own: the heap of an interpreter that is linked statically lies so low that every tenth of 200 blocks there has the
    value of some int pointing into it, and then the rest is too much to be told with the lost ones."""
    text = '''
import ctypes, os
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
held = []
def take(i):
    p = libc.malloc(200000)
    ctypes.memset(p, 1, 5000)
    if i % 40 == 0:
        held.append(p)
def child():
    for i in range(200):
        take(i)
for _ in range(2):
    pid = os.fork()
    if not pid:
        child()
        raise SystemExit
    os.waitpid(pid, 0)
'''
    path = os.path.join(tmp, 'twins.py')
    with open(path, 'w') as f:
        f.write(text)
    done = harness.run_traced([python.path, '-B', path], tmp).check()
    assert len(done.traces) == 3, done.traces
    finding, = harness.report('leaks', *done.traces)['findings']
    lost, beside = finding['unreachable']['direct']['blocks'], finding['unreachable']['beside']['blocks']
    assert finding['verdict'] == 'native-unreachable' and len(finding['pids']) == 2, finding['why']
    assert lost + beside == finding['blocks'] == 400 and beside >= 10, (lost, beside, finding['blocks'])
    assert 'leads to %d of these 400 blocks' % lost in finding['why'], finding['why']


@harness.spread(2)
def test_check_fails_on_it(python, tmp):
    trace = traced(python, tmp, 'lost').trace
    done = harness.pytrace('check', trace, '--verdicts', 'native-unreachable', status=1)
    assert 'native-unreachable' in done.out and '_native.c' in done.out, done.out


@harness.spread(2)
def test_a_damaged_heap_is_left_alone(python, tmp):
    """Nothing in it is called lost, and the report says why; the snapshot is whole."""
    trace = traced(python, tmp, 'damaged', PYTRACE_SNAPSHOT='call').trace
    snapshot = snapshots.read(trace)[1]
    facts = snapshot.decode().facts
    assert snapshot.complete and facts['native.heaps_unknown'] == 1 and facts['native.complete'] == 1, facts
    doc = harness.report('leaks', trace)
    assert native(doc) == {} and doc['summary']['native_search'] == ['in part'], doc['summary']
    assert 'could not be taken apart' in harness.pytrace('leaks', trace).out
