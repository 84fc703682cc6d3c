# SPDX-License-Identifier: Apache-2.0
"""`pytrace paths`: the chain to an object reads as the program itself reaches it."""
import json
import os

import harness
from test_objects import FOLDER, lines_of, run


def test_chains_read_as_python(python, tmp):
    """Attributes, slots, keys, places, closures, bound methods, defaults, generators: each as the program says it."""
    done = run(python, tmp, 'chains', 'exit')
    told, bad = json.loads(done.out), []
    for name, expression in told.items():
        doc = harness.report('paths', done.trace, name)
        assert doc['objects'] == 1 and doc['snapshot']['reason'] == 'exit', doc
        if doc['expressions'] != [expression]:
            bad.append((expression, doc['expressions']))
        assert ''.join(link['name'] for link in doc['paths'][0]) == doc['expressions'][0]
        assert doc['paths'][0][-1]['type'] == '__main__.' + name
    assert not bad and len(told) >= 15, bad
    session = next(n for n, e in told.items() if e.endswith('.session'))
    text = harness.pytrace('paths', done.trace, session).out
    assert "   app.cache['u17'].session\n" in text, text
    chain = harness.report('paths', done.trace, session)['paths'][0]
    assert [link['type'] for link in chain] == ['module', 'dict', '__main__.Session', '__main__.' + session]
    assert chain[1]['entries'] == 1 and chain[2]['site']['line'] in lines_of('chains', 'session'), chain


def one(trace, what):
    doc = harness.report('paths', trace, what)
    assert len(doc['ways']) == 1 and doc['objects'] == 1, doc
    return doc, doc['ways'][0]


def test_who_holds_it(python, tmp):
    """C code, nobody, two holders, a weak reference beside a strong one."""
    trace = run(python, tmp, 'holders', 'exit').trace
    _, way = one(trace, 'ByC')
    assert way['start'] == 'c' and way['refcount'] == 2 and way['unknown_references'] == 2, way
    assert 'held by C code (refcount 2, 0 references known)' in harness.pytrace('paths', trace, 'ByC').out
    doc, way = one(trace, 'Circle')
    assert way['start'] == 'none' and doc['paths'] == [] and 'garbage' in way['status'], way
    doc, _ = one(trace, 'Twice')
    assert sorted(doc['expressions']) == ["__main__.here[0]", "__main__.there['key']"], doc['expressions']
    doc, _ = one(trace, 'Weak')
    assert doc['expressions'] == ['__main__.still'], doc['expressions']
    address = doc['ways'][0]['example']
    assert harness.report('paths', trace, address)['expressions'] == ['__main__.still']
    assert harness.report('paths', trace, 'NoSuchType')['objects'] == 0


def test_only_those_of_a_line(python, tmp):
    trace = run(python, tmp, 'counts', 'signal=USR2').trace
    every = harness.report('paths', trace, '__main__.Sub')
    assert every['objects'] == 300 and every['ways'][0]['pattern'] == '__main__.subs[...]', every['ways']
    assert [w['objects'] for w in every['ways']] == [300]
    line = every['paths'][0][-1]['site']['line']
    assert harness.report('paths', trace, '__main__.Sub@counts.py:%d' % line)['objects'] == 300
    assert harness.report('paths', trace, 'main__.Sub@counts.py')['objects'] == 0
    assert harness.report('paths', trace, '__main__.Sub@counts.py')['objects'] == 300
    assert harness.report('paths', trace, '__main__.Sub@counts.py:%d' % (line + 1))['objects'] == 0
    assert harness.report('paths', trace, '__main__.Sub@ounts.py')['objects'] == 0
