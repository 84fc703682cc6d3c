# SPDX-License-Identifier: Apache-2.0
"""show: what was found, as people read it: a failure of a test, a section of the summary, a line of JUnit"""
import linecache
import os

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

PLACES = 3  # of a test that are shown
REST = 5  # tests shown of which nothing is known for sure


def size(n):
    """1234567 as '1.18 MiB'."""
    if abs(n) < 1024:
        return '%d B' % round(n)
    for unit in ('KiB', 'MiB', 'GiB', 'TiB'):
        n /= 1024.0
        if abs(n) < 1023.5 or unit == 'TiB':
            return '%.*f %s' % (2 if abs(n) < 9.995 else 1 if abs(n) < 99.95 else 0, n, unit)


def count(n, one, many):
    number = '%d' % n if abs(n - round(n)) < 0.05 else '%.1f' % n
    return '%s %s' % (number, one if number == '1' else many)


def short(path):
    """A path as one would type it here."""
    if not os.path.isabs(path):
        return path
    near = os.path.relpath(path)
    return path if near.startswith(os.pardir) else near


def where(frame):
    if not frame['file']:
        return frame['module'] or '?'
    return '%s:%d in %s' % (short(frame['file']), frame['line'], frame['function'])


def amount(row):
    what = row['type'] or ('memory of C code' if row['native'] else 'memory')
    blocks = '' if row['blocks'] < 0.5 else ' in ' + count(row['blocks'], 'block', 'blocks')
    return '%s%s, %s' % (size(row['bytes']), blocks, what)


def headline(found):
    """One line: for the short summary, JUnit's message and annotations."""
    if not found['rows']:
        return found['why']
    row = found['rows'][0]
    if found['kind'] == 'memory':
        return 'MEMORY: %s at the peak, the limit is %s; most at %s' % (size(found['bytes']), size(found['limit']), where(row))
    limit = ', the limit is %s' % size(found['limit']) if found['marked'] else ''
    return 'LEAK: %s a run at %s (%s)%s' % (size(row['bytes']), where(row), row['type'] or 'memory', limit)


def row_lines(row, stacks, whole):
    """A place: what it keeps, and for the first one its text and how it was come to."""
    yield '%s: %s%s' % (where(row), amount(row), row['each'])
    if not whole:
        return
    source = row['file'] and linecache.getline(row['file'], row['line']).strip()
    if source:
        yield '    ' + source
    for frame in row['stack'][1:stacks]:
        yield '  called by %s' % where(frame)
    if row['held_by']:
        yield '  held by %s' % row['held_by']


def lines(found, stacks):
    """What there is to say of a test, without its name."""
    yield found['why']
    for i, row in enumerate(found['rows'][:PLACES]):
        for line in row_lines(row, stacks, not i):
            yield '  ' + line
    if len(found['rows']) > PLACES:
        yield '  and %s' % count(len(found['rows']) - PLACES, 'more place', 'more places')


def failure(found, location, stacks):
    """What a report says went wrong: an exception's looks, so that each reporter finds file, line and message."""
    text = '\n'.join([headline(found)] + list(lines(found, stacks))) + '\n'
    path, line = location[0], (location[1] or 0) + 1
    if found['rows'] and found['rows'][0]['file']:
        path, line = found['rows'][0]['file'], found['rows'][0]['line']
    at = ReprFileLocation(path, line, headline(found))
    return ReprExceptionInfo(reprtraceback=ReprTraceback([ReprEntryNative([text])], None, 'native'), reprcrash=at)


def properties(found):
    said = [('pytrace_' + found['kind'], headline(found)), ('pytrace_bytes', str(int(round(found['bytes']))))]
    return said + [('pytrace_site', where(found['rows'][0]))] if found['rows'] else said


def summary(terminal, found, n_tests, n_repeated, n_unseen, stacks, traces):
    """The section of the terminal's summary."""
    wrong = [f for f in found if f['failed']]
    leaks, rest = [f for f in found if f['rows']], [f for f in found if not f['rows']]
    terminal.section('pytrace', sep='=', bold=True, **({'red': True} if wrong else {}))
    for f in sorted(leaks, key=lambda f: -f['bytes']) + rest[:REST]:
        terminal.write_line('%s %s%s' % (f['kind'].upper(), f['test'], ' [%s]' % f['worker'] if f['worker'] else ''),
                            **({'red': True} if f['failed'] else {'yellow': True}))
        for line in lines(f, stacks):
            terminal.write_line('  ' + line)
    if len(rest) > REST:
        terminal.write_line('UNDECIDED and %s' % count(len(rest) - REST, 'more test', 'more tests'))
    n_leaks = sum(f['kind'] == 'leak' for f in found)
    terminal.write_line('%s; %s suspicious and ran again; %s' % (
        count(n_tests, 'test', 'tests'), count(n_repeated, 'was', 'were'),
        count(n_leaks, 'leaks', 'leak') if n_leaks else 'none leaks'))
    if n_unseen:
        terminal.write_line('%s run by another plugin, in a process of its own perhaps, and not judged' % count(n_unseen, 'was', 'were'))
    if traces:
        terminal.write_line('traces: %s' % short(traces))
