# SPDX-License-Identifier: Apache-2.0
"""The examples that README shows: the planted leak is found at its line."""
import os
import re
import shutil

import harness


@harness.spread(3)
def test_feed_service(python, tmp):
    path = os.path.join(harness.TOP, 'examples', 'feed_service.py')
    with open(path) as f:
        planted = [n for n, line in enumerate(f, 1) if '# the planted leak' in line]
    done = harness.run_traced([python.path, '-B', path], tmp).check()
    doc = harness.report('leaks', done.trace)
    assert doc['findings'], 'nothing found'
    assert doc['findings'][0]['site']['line'] in planted, (doc['findings'][0]['site'], planted)
    assert len(doc['findings']) == 1, [f['site'] for f in doc['findings']]
    text = harness.pytrace('leaks', done.trace).out
    assert re.search(r'feed_service\.py:%d\b' % planted[0], text), text[:600]
    assert re.search(r'feed_service\.py:%d\b' % planted[0], harness.pytrace('summary', done.trace).out)


@harness.spread(2)
def test_run_names_the_trace_and_a_verdict(python, tmp):
    path = os.path.join(harness.TOP, 'examples', 'feed_service.py')
    done = harness.run([harness.PYTRACE, 'run', '--', python.path, '-B', path], tmp, cwd=tmp).check()
    assert len(done.traces) == 1, done.traces
    assert os.path.basename(done.traces[0]) in done.out + done.err, (done.out, done.err)


def test_leak_in_c(python, tmp):
    """The C line is the place, the Python line its caller."""
    if not shutil.which('cc'):
        raise harness.Skip('no cc')
    source = os.path.join(harness.TOP, 'examples', 'thumbnail.c')
    library = os.path.join(tmp, 'libthumbnail.so')
    harness.run(['cc', '-g', '-O2', '-shared', '-fPIC', '-o', library, source]).check()
    script = os.path.join(harness.TOP, 'examples', 'gallery.py')
    done = harness.run_traced([python.path, '-B', script, library], tmp).check()
    findings = harness.report('leaks', done.trace)['findings']
    assert len(findings) == 1, [f['site'] for f in findings]
    site = findings[0]['site']
    assert (site['language'], site['function'], site['line']) == ('native', 'unpack', 12), site
    assert site['file'].endswith('examples/thumbnail.c'), site
    assert findings[0]['blocks'] == 2000 and findings[0]['bytes'] == 2000 * 603 * 4, findings[0]
    frames = [(f['language'], f['function'].split('.')[-1], f['line']) for f in findings[0]['stack']]
    at = [frames.index(f) for f in (('native', 'unpack', 12), ('native', 'thumbnail', 22), ('python', 'add', 24), ('python', 'main', 31))]
    assert at == sorted(at), frames


def test_reference_leak_in_c(python, tmp):
    """The line that takes the reference which the error path forgets."""
    if not shutil.which('cc') or not os.path.exists(os.path.join(python.include, 'Python.h')):
        raise harness.Skip('no cc, or no Python.h')
    source = os.path.join(harness.TOP, 'examples', 'pricing.c')
    harness.run(['cc', '-g', '-O2', '-shared', '-fPIC', '-I' + python.include, '-o', os.path.join(tmp, 'pricing.so'), source]).check()
    script = os.path.join(harness.TOP, 'examples', 'shop.py')
    done = harness.run([harness.PYTRACE, 'refs', '--hunt', '--', python.path, '-B', script, tmp], tmp, cwd=tmp).check()
    said = ' '.join((done.out + done.err).split())
    with open(source) as f:
        line, = [n for n, text in enumerate(f, 1) if 'PyObject_GetItem' in text]
    assert re.search(r'reference-leak: 950 references on __main__\.Item objects; taken at \S*examples/pricing\.c:%d in total' % line, said), said
    assert len(re.findall('reference-leak:', said)) == 1, said


def test_orders(python, tmp):
    """What is held by the listeners, and the cycles that nobody holds."""
    path = os.path.join(harness.TOP, 'examples', 'orders.py')
    done = harness.run_traced([python.path, '-B', path], tmp).check()
    chain = harness.report('paths', done.trace, '__main__.Session')['paths'][0]
    assert [link['name'].strip('.') for link in chain][:3] == ['__main__', 'shop', 'listeners'], chain
    if python.free_threaded:
        return  # classes of cycles: README, "Limits"
    garbage = [f for f in harness.report('leaks', done.trace)['findings'] if f['verdict'] == 'cycle-garbage']
    assert len(garbage) == 1 and garbage[0]['site']['function'].endswith('buy'), garbage
    groups = harness.report('cycles', done.trace)['groups']
    assert sum(g['objects'] for g in groups) >= 2500 and sum(g['count'] for g in groups) == 500, groups
