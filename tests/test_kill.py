# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any instant: `info` reads the trace, and the events are a prefix of the truth with nothing recorded missing.

The target (truth/killed.py) writes in a shared file, before and after each call, how far it has come. After the kill, the
trace must hold every call that had come back, in order, with its address; of the one under way it may know or not.
"""
import os
import random
import signal
import struct
import subprocess
import time

import harness

BASE, KEEP = 1 << 20, 3

# Threads, blocks a thread, blocks made in one call to C, and the longest wait before the kill in seconds.
SHAPES = {'one-thread': (1, 60000, 50, 0.15), 'tight': (1, 120000, 30000, 0.03), 'threads': (4, 30000, 100, 0.3),
          'many-threads': (16, 5000, 20, 0.4)}


class Diary:
    def __init__(self, path, threads, blocks):
        self.bytes = 16 + 8 * blocks
        with open(path, 'wb') as f:
            f.truncate(threads * self.bytes)
        self.path, self.threads, self.blocks = path, threads, blocks

    def read(self):
        """[(started, finished, addresses)] by thread"""
        with open(self.path, 'rb') as f:
            data = f.read()
        for t in range(self.threads):
            at = t * self.bytes
            started, finished = struct.unpack_from('<QQ', data, at)
            yield started, finished, struct.unpack_from('<%dQ' % self.blocks, data, at + 16)


def start(python, tmp, shape, n):
    threads, blocks, step, _ = SHAPES[shape]
    diary = Diary(os.path.join(tmp, 'diary%d' % n), threads, blocks)
    env = harness.trace_env(tmp, TRUTH_HELPER=harness.built('truth/truth.so'))
    env['PYTRACE_OUTPUT'] = os.path.join(tmp, 'killed%d.pytrace' % n)
    p = subprocess.Popen([python.path, '-B', os.path.join(harness.HERE, 'truth', 'killed.py'), diary.path, str(threads),
                          str(blocks), str(step)], env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert p.stdout.readline() == b'go\n'
    return p, diary, env['PYTRACE_OUTPUT']


def recorded(trace, diary):
    """By thread of the diary: the calls that the trace knows, [('alloc', block, address) or ('free', block)], in order."""
    first, last = BASE, BASE + diary.threads * diary.blocks
    calls, live = [[] for _ in range(diary.threads)], {}
    with subprocess.Popen([harness.PYTRACE, 'dump', trace], stdout=subprocess.PIPE, bufsize=1 << 20) as p:
        for line in p.stdout:
            words = line.split()
            if len(words) < 9 or words[5] != b'malloc':
                continue
            if words[4] == b'alloc':
                size = int(words[7])
                if first <= size < last:
                    t, block = divmod(size - BASE, diary.blocks)
                    live[words[6]] = t, block
                    calls[t].append(('alloc', block, int(words[6], 16)))
            elif words[4] == b'free' and words[6] in live:
                t, block = live.pop(words[6])
                calls[t].append(('free', block))
    assert p.returncode == 0, 'dump ended with %d' % p.returncode
    return calls


def expected(addresses, n):
    """The first n calls of a thread: call 2i makes block i, call 2i + 1 frees block i - KEEP (none when i < KEEP)."""
    out = []
    for i in range(n):
        if i % 2 == 0:
            out.append(('alloc', i // 2, addresses[i // 2]))
        elif i // 2 >= KEEP:
            out.append(('free', i // 2 - KEEP))
    return out


def check(trace, diary, what):
    for t, ((started, finished, addresses), got) in enumerate(zip(diary.read(), recorded(trace, diary))):
        sure, under_way = expected(addresses, finished), expected(addresses, started)
        where = '%s thread %d: %d calls finished, %d in the trace' % (what, t, len(sure), len(got))
        assert got[:len(sure)] == sure, where + '; the first that differs is %d: %s' % next(
            (i, (got[i:i + 1], sure[i])) for i in range(len(sure)) if got[i:i + 1] != sure[i:i + 1])
        rest = got[len(sure):]
        assert len(got) <= len(under_way), where + ', %d started' % len(under_way)
        assert [c[:2] for c in rest] == [c[:2] for c in under_way[len(sure):len(got)]], (where, rest)


def kill_once(python, tmp, shape, n, rng):
    p, diary, trace = start(python, tmp, shape, n)
    try:
        time.sleep(rng.random() * SHAPES[shape][3])
    finally:
        p.send_signal(signal.SIGKILL)
        p.wait()
        p.stdout.close()
    info = harness.report('info', trace)
    what = 'kill %d (%s)' % (n, trace)
    finished = all(d[1] == 2 * diary.blocks for d in diary.read())
    if p.returncode == -signal.SIGKILL and not (finished and info['ended'] == 'exit'):
        assert info['ended'] == 'killed' and not info['complete'], (what, info['ended'])
    assert info['events']['lost'] == 0 and not info['damaged_blocks'], (what, info['events'], info['damaged_blocks'])
    check(trace, diary, what)
    for path in trace, diary.path:
        os.unlink(path)
    return p.returncode == -signal.SIGKILL


def share(shape):
    names = list(SHAPES)
    return harness.KILLS // len(names) + (names.index(shape) < harness.KILLS % len(names))


@harness.cases(*SHAPES)
@harness.timeout(1800)
def test_killed(tmp, case):
    """All interpreters in turn, so that the number of kills is what was asked for."""
    pythons, rng = harness.PYTHONS, random.Random(os.urandom(8))
    hits = 0
    for n in range(share(case)):
        hits += kill_once(pythons[n % len(pythons)], tmp, case, n, rng)
    assert hits >= share(case) * 0.5, 'only %d of %d kills came before the end' % (hits, share(case))


def test_the_diary_sees_what_is_missing(tmp):
    """The check itself: a trace from whose ring the last slots were taken away is found out."""
    import tracefile
    python, rng = harness.PYTHONS[-1], random.Random(1)
    for n in range(8):
        p, diary, trace = start(python, tmp, 'tight', n)
        time.sleep(0.005 + 0.02 * rng.random())
        p.kill()
        p.wait()
        p.stdout.close()
        check(trace, diary, 'whole')
        t = tracefile.TraceFile(trace)
        for b in t.rings:
            head = struct.unpack_from('<Q', t.data, b.at + 80 + 16)[0]
            with open(trace, 'r+b') as f:
                f.seek(b.at + 80 + 16)
                f.write(struct.pack('<Q', head // 2))
        try:
            check(trace, diary, 'cut')
        except AssertionError:
            return
    raise AssertionError('half of a ring was taken away, eight times, and nobody noticed')
