# SPDX-License-Identifier: Apache-2.0
"""Growth is judged where the program ended, over windows of work or over marks, and says who keeps it."""
import json
import os
import textwrap

import harness


def trace(python, tmp, text, *args, **env):
    """Runs a program traced; its path and how it ended."""
    path = os.path.join(tmp, 'app.py')
    with open(path, 'w') as f:
        f.write(textwrap.dedent(text))
    return path, harness.run_traced(list(args) or [python.path, '-B', path], tmp, env, cwd=tmp)


def marked(path, mark='# leak'):
    with open(path) as f:
        return [n for n, line in enumerate(f, 1) if line.rstrip().endswith(mark)]


def blamed(doc, path, verdict='growth'):
    """The lines that findings of a verdict blame; no other finding may be there."""
    assert all(f['verdict'] == verdict and f['blame']['file'] == path for f in doc['findings']), [
        (f['verdict'], f['blame']['file'], f['blame']['line']) for f in doc['findings']]
    return [f['blame']['line'] for f in doc['findings']]


# ---- the end ----

# What a request leaves behind is given back by an exit handler, or by the end of a thread.
HOARD = '''
    import atexit

    class Upload:
        def __init__(self, number):
            self.parts = ['part-%%d-%%d' %% (number, i) for i in range(20)]  # leak
            atexit.register(self.close)

        def close(self):
            self.parts = None

    def main():
        for number in range(400):
            Upload(number)

    %s
'''


@harness.cases('main()', 'import sys; main(); sys.exit(0)', 'import threading; t = threading.Thread(target=main); t.start()')
@harness.spread(4)
def test_what_exit_handlers_give_back_has_grown(python, tmp, case):
    path, done = trace(python, tmp, HOARD % case)
    doc = harness.report('leaks', done.check().trace)
    assert blamed(doc, path)[:1] == marked(path), doc['findings']
    # What is left at exit is less; the finding has what the program held when it ended.
    assert doc['summary']['exit_bytes'] < doc['summary']['live_bytes'] - 400 * 20 * 50
    assert doc['findings'][0]['blocks'] >= 400 * 20


@harness.spread(2)
def test_so_it_has_with_dash_m(python, tmp):
    path, done = trace(python, tmp, HOARD % 'main()', python.path, '-B', '-m', 'app')
    doc = harness.report('leaks', done.check().trace)
    assert [f['blame']['line'] for f in doc['findings']] == marked(path)


@harness.spread(2)
def test_threads_that_outlive_the_main_module_are_judged_to_their_end(python, tmp):
    """The main module ends at once: what its thread does later is the program."""
    path, done = trace(python, tmp, '''
        import threading
        kept = []

        def serve():
            threading.main_thread().join()
            for i in range(5000):
                kept.append('request-%d' % i)  # leak

        threading.Thread(target=serve).start()
    ''')
    doc = harness.report('leaks', done.check().trace)
    assert blamed(doc, path) == marked(path)
    assert doc['findings'][0]['evidence']['grown_blocks'] >= 3000


@harness.cases('os._exit(0)', 'os.kill(os.getpid(), 9)', 'os.execv("/bin/true", ["true"])')
@harness.spread(2)
def test_without_an_end_of_the_interpreter_the_trace_s_end_counts(python, tmp, case):
    path, done = trace(python, tmp, '''
        import os
        kept = []
        for i in range(5000):
            kept.append('request-%%d' %% i)  # leak
        %s
    ''' % case)
    doc = harness.report('leaks', done.trace)
    assert blamed(doc, path) == marked(path)


@harness.spread(2)
def test_a_forked_worker_has_an_end_of_its_own(python, tmp):
    path, done = trace(python, tmp, '''
        import atexit, os, sys

        def serve():
            kept = []
            atexit.register(kept.clear)
            for i in range(5000):
                kept.append('request-%d' % i)  # leak

        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        else:
            serve()
            print(os.getpid())
    ''')
    doc = harness.report('leaks', done.check().trace_of(int(done.out)))
    assert blamed(doc, path) == marked(path)


# ---- marks ----

# Each request keeps one block of a size that the program tells, and does work that leaves nothing.
MARKED = '''
    import sys, threading
    import libpytrace

    head = None

    class Link(object):
        __slots__ = ('next', 'data')

    def keep(size):
        global head
        link = Link()
        link.next, link.data = head, None
        head = link
        link.data = bytes(size)  # leak

    def request(number, size):
        libpytrace.mark('request %d' % number)
        keep(size)
        return sum(len(str(i)) for i in range(20))

    def serve(n, size):
        for number in range(n):
            request(number, size)
'''
MARKED_CASES = {
    'many': ('serve(5000, 991)', 991),
    'few': ('serve(40, 9991)', 9991),
    'regions': ('for i in range(300):\n        with libpytrace.region("job"): keep(991)', 991),
    'threads': ('lock = threading.Lock()\n'
                '    def locked():\n'
                '        for i in range(200):\n'
                '            with lock: request(i, 991)\n'
                '    threads = [threading.Thread(target=locked) for _ in range(4)]\n'
                '    for t in threads: t.start()\n'
                '    for t in threads: t.join()', 991),
}


@harness.cases(*sorted(MARKED_CASES))
@harness.spread(3)
def test_a_mark_brings_exactly_so_much(python, tmp, case):
    """Growth over marks is exact: bytes and blocks of each, whatever the numbers in the labels."""
    calls, size = MARKED_CASES[case]
    path, done = trace(python, tmp, MARKED + '\n    %s\n    print(sys.getsizeof(bytes(%d)))\n' % (calls, size))
    told = int(done.check().out)
    doc = harness.report('leaks', done.trace)
    assert blamed(doc, path) == marked(path), [(f['blame'], f['bytes']) for f in doc['findings']]
    found = doc['findings'][0]
    per_mark = found['growth']['per_mark']
    assert per_mark['exact']['bytes'] in (told, told + linked(done.trace)), (per_mark, told)
    assert per_mark['exact']['blocks'] == 1 or per_mark['exact']['bytes'] != told
    assert per_mark['label'] == ('job' if case == 'regions' else 'request #')
    assert per_mark['kind'] == ('region' if case == 'regions' else 'mark')
    assert per_mark['marks'] + per_mark['warmup'] <= {'many': 5000, 'few': 40, 'regions': 300, 'threads': 800}[case]
    assert 4 * per_mark['marks'] >= 2 * (per_mark['marks'] + per_mark['warmup'])
    assert "per %s '%s'" % (per_mark['kind'], per_mark['label']) in found['why'], found['why']
    assert '{:,} bytes'.format(told) in found['why'] or '{:,} '.format(per_mark['exact']['bytes']) in found['why'], found['why']


def linked(trace):
    """Bytes of a link, as the report has them."""
    rows = harness.report('sites', '--top', '0', trace)['rows']
    row = [r for r in rows if r['site']['function'] == 'keep' and 'Link' in open(r['site']['file']).read().splitlines()[r['site']['line'] - 1]]
    return row[0]['bytes'] // row[0]['blocks'] if row else 0


def check(trace, *args):
    done = harness.pytrace('check', '--json', *(args + (trace,)), status=None)
    return done.returncode, json.loads(done.out) if done.returncode in (0, 1) else done.err


@harness.spread(2)
def test_budget_per_mark(python, tmp):
    """The total growth of the process per mark is held against the budget; the worst lines are named."""
    path, done = trace(python, tmp, MARKED + '    serve(1000, 991)\n')
    status, doc = check(done.check().trace, '--budget-per-mark', '1000')
    assert (status, doc['verdict']) == (1, 'fail'), doc['reasons']
    assert 1024 < doc['per_mark']['bytes'] < 1200 and doc['per_mark']['budget_bytes'] == 1000, doc['per_mark']
    assert doc['per_mark']['lines'][0]['blame']['line'] == marked(path)[0]
    assert "bytes per mark 'request #'" in doc['reasons'][0]
    status, doc = check(done.trace, '--budget-per-mark', '1200')
    assert (status, doc['verdict']) == (0, 'pass') and [f['status'] for f in doc['findings']] == ['within-budget'], doc
    # A warm-up that is asked for is kept, and windows stay equal.
    status, doc = check(done.trace, '--budget-per-mark', '1200', '--warmup', '600')
    assert 600 <= doc['per_mark']['warmup'] < 640 and doc['per_mark']['marks'] + doc['per_mark']['warmup'] == 1000
    # One that takes it all leaves nothing to judge: that is an error, and no pass.
    status, error = check(done.trace, '--budget-per-mark', '1200', '--warmup', '1000')
    assert status == 2 and 'libpytrace.mark' in error


@harness.spread(2)
def test_a_budget_without_marks_is_an_error(python, tmp):
    path, done = trace(python, tmp, MARKED + '    for i in range(1000): keep(991)\n')
    assert check(done.check().trace, '--budget-per-mark', '1K')[0] == 2
    assert harness.report('leaks', done.trace)['findings'][0]['growth']['per_mark'] is None


@harness.spread(2)
def test_marks_of_a_corner_measure_nothing(python, tmp):
    """A label that comes up at the start only says nothing of the leak that goes on after it."""
    path, done = trace(python, tmp, MARKED + '''
    for i in range(10):
        libpytrace.mark('set-up')
    for i in range(2000):
        request_of_another_kind = [str(j) for j in range(10)]
        keep(991)
''')
    doc = harness.report('leaks', done.check().trace)
    assert blamed(doc, path) == marked(path)
    assert doc['findings'][0]['growth']['per_mark'] is None


@harness.spread(2)
def test_workers_have_marks_of_their_own(python, tmp):
    path, done = trace(python, tmp, MARKED + '''
    import os
    pids = []
    for worker in range(2):
        pid = os.fork()
        if not pid:
            serve(300 * (worker + 1), 991)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    print(sys.getsizeof(bytes(991)))
''')
    told = int(done.check().out)
    doc = harness.report('leaks', *done.traces)
    assert blamed(doc, path) == marked(path)
    assert len(doc['findings'][0]['pids']) == 2
    assert doc['findings'][0]['growth']['per_mark']['exact']['bytes'] >= told


@harness.spread(2)
def test_warm_up_in_windows(python, tmp):
    """Without marks the warm-up is so many of 16 windows."""
    path, done = trace(python, tmp, MARKED + '    for i in range(3000): keep(991); str(i)\n')
    trace_ = done.check().trace
    windows = [harness.report('leaks', *(more + [trace_]))['findings'][0]['evidence']['windows']
               for more in ([], ['--warmup', '4'], ['--warmup', '8'])]
    assert windows == [12, 12, 8], windows
    assert not harness.report('leaks', '--warmup', '14', trace_)['findings']


# ---- who keeps it, and which line adds to it ----

# (the program, the holder); "# leak" is the line to blame, "# adds" the one that adds to the holder, "# makes" another that made much.
HELD = {
    'cache filled by a helper': ('''
        cache = {}

        def build(key):
            rows = ['row %d of %s' % (i, key) for i in range(20)]  # makes
            return {'key': key, 'rows': rows}

        def handle(number):
            cache['user%d' % number] = build(number)  # leak # adds

        for number in range(1500):
            handle(number)
        ''', '__main__.cache'),
    'three handlers of one list': ('''
        log = []

        def get(n):
            log.append(['get', n, str(n) * 20])  # leak # adds

        def put(n):
            log.append(['put', n, str(n) * 20])  # leak # adds

        def delete(n):
            log.append(['delete', n, str(n) * 20])  # leak # adds

        for number in range(1500):
            get(number), put(number), delete(number)
        ''', '__main__.log'),
    'a registry of the class': ('''
        class Plugin:
            instances = []

            def __init__(self, number):
                self.name = 'plugin %d' % number  # leak
                self.instances.append(self)  # adds

        for number in range(3000):
            Plugin(number)  # leak
        ''', '__main__.Plugin.instances'),
    'an attribute behind attributes': ('''
        class Part: pass

        app = Part()
        app.state = Part()
        app.state.pending = {}

        def put(number):
            app.state.pending[number] = bytes(200 + number % 7)  # leak # adds

        for number in range(3000):
            put(number)
        ''', '__main__.app.state.pending'),
    'handlers of a bus': ('''
        class Bus:
            def __init__(self):
                self.handlers = {'tick': []}

            def on(self, name, handler):
                self.handlers[name].append(handler)  # adds

        bus = Bus()

        def connect(user):
            state = {'user': user, 'log': [str(i) * 9 for i in range(20)]}  # leak

            def on_tick():
                return state
            bus.on('tick', on_tick)

        for number in range(2000):
            connect(number)
        ''', "__main__.bus.handlers['tick']"),
}


@harness.cases(*sorted(HELD))
@harness.spread(3)
def test_one_holder_is_one_finding(python, tmp, case):
    text, holder = HELD[case]
    path, done = trace(python, tmp, text)
    doc = harness.report('leaks', done.check().trace)
    assert len(doc['findings']) == 1, [(f['blame']['line'], f['held_by'], f['bytes']) for f in doc['findings']]
    found = doc['findings'][0]
    with open(path) as f:
        lines = dict(enumerate(f.read().splitlines(), 1))
    assert found['verdict'] == 'growth' and found['held_by'] == holder, found['held_by']
    assert '# leak' in lines[found['blame']['line']], found['blame']
    assert '# adds' in lines[found['added_at']['line']], found['added_at']
    made = [n for n, line in lines.items() if '# makes' in line]
    assert set(made) <= {p['site']['line'] for p in found['parts']}, found['parts']
    screen = '\n'.join(harness.pytrace('leaks', done.trace).out.splitlines()[:20])
    assert 'Held by %s' % holder in screen and 'app.py:%d' % found['added_at']['line'] in screen, screen


@harness.spread(2)
def test_a_program_that_builds_is_no_leak(python, tmp):
    """What it makes of one input is not what it makes of the next."""
    path, done = trace(python, tmp, '''
        modules = {}
        for number in range(60):
            size = (number * 7919 % 61) ** 3 // 40
            modules[number] = [('name%d' % i, i) for i in range(size)]
            work = [str(i) for i in range(2000)]
    ''')
    doc = harness.report('leaks', done.check().trace)
    assert not doc['findings'], [(f['blame']['line'], f['why'], f['evidence']['spread_percent']) for f in doc['findings']]
    assert all(f['decided_by'] for f in doc['undecided'])
