# SPDX-License-Identifier: Apache-2.0
"""Growth is judged where the program ended, over windows of work or over marks, and says who keeps it."""
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
