# SPDX-License-Identifier: Apache-2.0
"""verdict: what the runs of a test left behind, by line, and whether that is a leak

How:   `pytrace repeats` reads the trace of this process while it goes on, in a child that is not traced. A line leaks
       when each run after the warm-up raised what is alive of it; where that is little, when it did so by the same amount.
Not:   what pytest itself keeps; what a cache with a bound takes while it fills.
"""
import collections
import json
import os
import subprocess
import sysconfig

from . import launch, show

StackFrame = collections.namedtuple('StackFrame', 'function filename lineno')
Stack = collections.namedtuple('Stack', 'frames')

MACHINERY = ('_pytest', 'pluggy', 'pytest_pytrace', 'xdist', 'execnet', 'pytest', 'pytest_rerunfailures', 'coverage',
             'pytest_cov')
STDLIB_BYTES = 1024  # a run, of what the standard library keeps for itself: names that it interns, tables that it fills
BOUNDED_TYPE = 'functools._lru_cache_wrapper'
BOUNDED = ('re._cache', 're._cache2', '_strptime._regex_cache')  # of the standard library, and no lru_caches


class Unreadable(Exception):
    """The analyzer gave no answer; its message says why."""


# ---- asking ----

def ask(trace, since, begin, end, warmups, shown, by='line', thread_only=False):
    """The document of `pytrace repeats` on what was recorded from that place in the file on."""
    _, command = launch.find()
    env = {k: v for k, v in os.environ.items() if k != 'LD_PRELOAD' and not k.startswith('PYTRACE_')}
    argv = [command, 'repeats', '--json', '--full', '--since', str(since), '--begin', begin, '--end', end, '--warmup', str(warmups), '--by', by,
            '--show', shown]
    done = subprocess.run(argv + (['--thread-only'] if thread_only else []) + ['--', trace], env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode not in (0, 4):
        said = done.stderr.decode('utf-8', 'replace').strip().split('\n')[-1]
        raise Unreadable('%s ended with %d: %s' % (command, done.returncode, said))
    return json.loads(done.stdout.decode('utf-8', 'replace'))


# ---- whose is it ----

STDLIB = tuple(p + os.sep for p in {sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib')} if p)
PACKAGES = tuple(os.sep + p + os.sep for p in ('site-packages', 'dist-packages'))


def is_stdlib(path):
    return path.startswith('<frozen') or path.startswith(STDLIB) and not any(p in path for p in PACKAGES)


def is_machinery(path):
    """Of pytest and what runs the tests."""
    parts = path.replace('.py', '').split(os.sep)
    return any(name in parts[-3:] or name in parts[:-1] and any(p.strip(os.sep) in parts for p in PACKAGES)
               for name in MACHINERY) and ('_pytest' in parts or any(p in path for p in PACKAGES) or 'pytest_pytrace' in parts)


def is_the_tests(stack):
    """The innermost frame that is not the standard library's tells whose memory it is."""
    for frame in stack:
        if frame['language'] == 'python' and not is_stdlib(frame['file']):
            return not is_machinery(frame['file'])
    return True


def own_frames(stack):
    """Up to where pytest, or unittest for it, calls the test or its fixture."""
    seen = False
    for i, frame in enumerate(stack):
        python = frame['language'] == 'python'
        if python and is_machinery(frame['file']) and seen:
            stack = stack[:i]
            break
        seen = seen or python and not is_stdlib(frame['file']) and not is_machinery(frame['file'])
    while seen and stack[-1]['language'] == 'native' or is_stdlib(stack[-1]['file'] or ''):
        stack = stack[:-1]
    return stack


def memray_stack(stack):
    return Stack(tuple(StackFrame(f['function'], f['file'] or f.get('module') or '', f['line'] or 0)
                       for f in own_frames(stack)))


# ---- rows ----

def frame_of(site):
    return {'file': site['file'] or '', 'line': site['line'] or 0, 'function': site['function'] or '?',
            'module': site.get('module') or ''}


def row_of(row, n_bytes, n_blocks, each):
    stack = own_frames(row['stack']) or [row['site']]
    site = row['site']
    at = next((i for i, f in enumerate(stack) if (f['file'], f['line'], f['function']) ==
               (site['file'], site['line'], site['function'])), 0)
    frame = frame_of(site)
    frame.update(type=row['type'], bytes=n_bytes, blocks=n_blocks, each=each, held_by=row['held_by'],
                 native=site['language'] == 'native', stack=[frame_of(f) for f in stack[at:]])
    return frame


def left(row, n):
    """Bytes and blocks that each run leaves: of several runs their mean rise, of one what is there of it."""
    if n > 1:
        return row['bytes_per_run'], row['blocks_per_run']
    return row['left_bytes'][-1], row['left_blocks'][-1]


def is_bounded(row, caches):
    """Whether a cache with a bound holds it, which will not be grown for ever. `caches`: lru_caches were filled meanwhile."""
    return row['held_by'] in BOUNDED or caches and any(link['type'] == BOUNDED_TYPE for link in row['holder'] or [])


def grown(doc, n, caches):
    """[(row, bytes, blocks)] of the test's own that leak."""
    for row in doc['rows']:
        if is_the_tests(row['stack']) and not is_bounded(row, caches):
            yield (row,) + left(row, n)


def is_stdlibs(row):
    return row['site']['language'] == 'python' and is_stdlib(row['site']['file'])


def is_same(row, n):
    """Whether the last `n` runs added the same number of blocks each: so does a leak, but not what is interned now and then.
    A table in which they are kept, when it was made before anything was recorded, is a new block once."""
    blocks = row['rise_blocks'][-n:]
    return n > 1 and min(blocks) > 0 and sum(b > min(blocks) for b in blocks) <= n // 4


# ---- judging ----

def over_limit(doc, n, limits, rows):
    """Those of the `rows` of grown() that are held against a test which has a mark, or its limit by an option."""
    if limits.marked:
        return [x for x in rows if x[1] > limits.bytes and
                (not limits.filter_fn or limits.filter_fn(memray_stack(x[0]['stack'])))]
    told = any(x[1] > STDLIB_BYTES or not is_stdlibs(x[0]) for x in rows)
    least = min([run['rise_bytes'] for run in doc['runs'][-n:]] + [sum(x[1] for x in rows)])
    return rows if told and least > limits.bytes else []


def little_by_little(n, rows):
    """Those of the `rows` that add the same in every run. That all together left something each time, gauge.py told."""
    return [x for x in rows if is_same(x[0], n) and not is_stdlibs(x[0])]


def leaks(trace, since, test, before, n, limits, caches):
    """What a test leaks beyond its limits (session.Limits), as show.py has it; None. The `n` runs after those `before` are
    judged. `caches`: what caches with a bound hold is none."""
    doc = ask(trace, since, test + ' setup', test + ' end', before, 'rise' if n > 1 else 'left', 'stack' if limits.marked else 'line',
              limits.thread_only)
    rows = list(grown(doc, n, caches))
    over = over_limit(doc, n, limits, rows) or ([] if limits.given else little_by_little(n, rows))
    if not over:
        return None
    rows = [row_of(row, n_bytes, n_blocks, ' a run' if n > 1 else '') for row, n_bytes, n_blocks in over]
    total = sum(r['bytes'] for r in rows)
    runs = '%s in each of %s%s' % (show.size(total), show.count(n, 'run', 'runs'),
                                   ' after %d to warm up' % limits.warmups if limits.warmups else '')
    if n <= 1:
        runs = '%s in its only run, which may fill caches' % show.size(total)
    why = 'left behind %s' % runs + ('; the limit for one stack is %s' % show.size(limits.bytes) if limits.marked else '')
    return {'kind': 'leak', 'why': why, 'rows': rows, 'bytes': total, 'limit': limits.bytes, 'marked': limits.marked}


def memory(trace, since, test, limit, thread_only=False):
    """Whether the test's last run had more than the limit allocated at once."""
    doc = ask(trace, since, test + ' call', test + ' teardown', 0, 'peak', 'line', thread_only)
    peak = doc['runs'][-1]['peak_bytes'] if doc['runs'] else 0
    if peak <= limit:
        return None
    rows = [row_of(r, r['peak_bytes'][-1], 0, '') for r in doc['rows'] if r['peak_bytes'][-1] * 100 >= peak]
    return {'kind': 'memory', 'why': 'had %s allocated at once, the limit is %s' % (show.size(peak), show.size(limit)),
            'rows': rows, 'bytes': peak, 'limit': limit, 'marked': True}
